"""Thresholds and retention are in no key: what is finished is judged and tidied by those of now."""

import pytest

from agents.errors import ActionFailed

MEASURED = {
    "validation_ratio": 0.5,
    "average_distance": 0.1,
    "sample_correlation": 0.9,
    "further_than_photos": 0.4,
}


def draws_so_well(machine, key):
    """The training reaches its end; its samples are as far from photos as was measured."""
    for step in (2, 4, 6, 8):
        machine.checkpoint(key, step)
    saved = machine.checkpoint(key, 10)
    machine.leave(key, "completed", 10, checkpoint=saved, numbers=MEASURED)


def test_a_threshold_that_is_changed_judges_again_and_trains_nothing(kit):
    kit.machine.ends += [draws_so_well]
    with pytest.raises(ActionFailed, match=r"samples_like_photos: further_than_photos is 0\.4"):
        kit.run(judged_share="0.1")
    assert kit.key(judged_share="0.1") == kit.key(judged_share="0.5")
    assert kit.look("dit_trained", judged_share="0.1") == {"dit_trained": False}
    assert "samples_like_photos" in kit.world.readings["dit_trained"].evidence
    assert kit.look("dit_trained", judged_share="0.5") == {"dit_trained": True}
    kit.run(judged_share="0.5")
    assert len(kit.machine.launches) == 1
    assert "train" not in kit.started()
    assert kit.look("dit_trained", judged_share="0.39") == {"dit_trained": False}


def test_what_is_kept_is_decided_by_the_policy_of_now_without_training(kit):
    kit.machine.ends += [draws_so_well]
    kit.run(judged_share="1", keep_last="4")
    names = kit.directory(keep_last="4").checkpoints_path
    assert sorted(path.name[-2:] for path in names.glob("step-*")) == ["04", "06", "08", "10"]
    assert kit.look("checkpoints_pruned", keep_last="2") == {"checkpoints_pruned": False}
    kit.run(judged_share="1", keep_last="2")
    assert kit.started() == ["prune_checkpoints"]
    assert sorted(path.name[-2:] for path in names.glob("step-*")) == ["08", "10"]
    assert len(kit.machine.launches) == 1
    assert kit.look("checkpoints_pruned", keep_last="1", keep_every="8")["checkpoints_pruned"]
