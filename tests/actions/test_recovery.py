"""A failure becomes a fact, and the next plan starts from it: no script says what to do."""

import os
from types import SimpleNamespace

import pytest

from agents.errors import ActionFailed, Unauthenticated, Unreachable
from training.errors import AuthenticationError
from training.errors import Unreachable as NobodyAnswers


def fails(kit, name, times=1, step=4):
    kit.machine.ends += [kit.ends.fails(name, step)] * times


def test_nothing_is_attempted_without_credentials(kit):
    kit.machine.auth = None
    kit.machine.accepted = AuthenticationError("there is no token", fix="modal token new")
    kit.machine.built = False
    with pytest.raises(Unauthenticated) as caught:
        kit.run()
    assert (caught.value.exit_code, caught.value.fix) == (8, "modal token new")
    assert kit.started() == ["validate_auth"]
    assert kit.machine.asked == ["check_auth"]
    assert not kit.volume.exists()
    assert kit.events[-1].data["exit_code"] == 8


def test_credentials_that_are_known_to_be_missing_are_still_asked_for_only_once(kit):
    kit.machine.auth = kit.machine.accepted = AuthenticationError("there is no token", fix="log in")
    with pytest.raises(Unauthenticated):
        kit.run()
    assert kit.machine.asked == ["check_auth"]


def test_a_server_that_does_not_answer_ends_the_run_at_once_as_worth_trying_again(kit):
    kit.machine.auth = None
    kit.machine.accepted = NobodyAnswers("nobody answers", fix="check the network")
    with pytest.raises(ActionFailed) as caught:
        kit.run()
    assert (caught.value.exit_code, caught.value.retryable) == (3, True)
    assert kit.started() == ["validate_auth"]


def test_out_of_memory_is_answered_by_half_the_micro_batch(kit):
    fails(kit, "out_of_memory", times=2)
    kit.run(batch="4")
    assert [how.micro_batch for _, how in kit.machine.launches] == [None, 2, 1]
    assert kit.started().count("halve_micro_batch") == 2
    assert kit.machine.launches[0][0] == kit.machine.launches[2][0]


def test_a_single_image_that_does_not_fit_is_the_end_of_halving(kit):
    fails(kit, "out_of_memory", times=9)
    with pytest.raises(ActionFailed, match="a single image at a time") as caught:
        kit.run(batch="2")
    assert caught.value.exit_code == 1
    assert caught.value.fix
    assert [how.micro_batch for _, how in kit.machine.launches] == [None, 1]


@pytest.mark.parametrize("name", ["loss_not_finite", "loss_diverged"])
def test_a_diverged_loss_is_answered_by_half_the_rate_from_an_earlier_checkpoint(kit, name):
    def diverges(machine, key):
        for step in (4, 8):
            machine.checkpoint(key, step)
        kit.ends.fails(name, step=9)(machine, key)

    def sees_what_is_left(machine, key):
        left.extend(path.name for path in kit.volume.glob(f"trainings/{key}/checkpoints/step-*"))
        kit.ends.is_killed(6)(machine, key)

    left = []
    kit.machine.ends += [diverges, sees_what_is_left]
    kit.run(save_every="4")
    assert left == ["step-00000004"]
    first, second, third = (how for _, how in kit.machine.launches)
    assert [how.lr_scale for how in (first, second, third)] == [1.0, 0.5, 0.5]


def test_a_loss_that_diverges_at_every_rate_is_given_up_after_three_rates(kit):
    fails(kit, "loss_not_finite", times=9)
    with pytest.raises(ActionFailed, match=r"diverges even at 0\.125") as caught:
        kit.run()
    assert caught.value.fix
    assert [how.lr_scale for _, how in kit.machine.launches] == [1.0, 0.5, 0.25, 0.125]


def test_a_collapsed_loss_is_never_tried_again_and_the_next_run_says_why(kit):
    fails(kit, "loss_collapsed")
    with pytest.raises(ActionFailed, match="it was loss_collapsed") as caught:
        kit.run()
    assert caught.value.exit_code == 1
    with pytest.raises(Unreachable, match="it was loss_collapsed") as caught:
        kit.run()
    assert caught.value.exit_code == 4
    assert len(kit.machine.launches) == 1
    kit.run(learning_rate="1e-4")
    assert len(kit.machine.launches) == 2


def test_a_training_that_was_killed_is_resumed_as_long_as_it_gets_further(kit):
    kit.machine.ends += [kit.ends.is_killed(3), kit.ends.is_killed(6)]
    kit.run()
    assert len(kit.machine.launches) == 3
    failed = [event.data for event in kit.events if event.type == "step.failed"]
    assert {each["class"] for each in failed} == {"interrupted"}


def test_a_training_that_is_killed_at_the_same_step_again_is_given_up(kit):
    kit.machine.ends += [kit.ends.is_killed(3)] * 9
    with pytest.raises(ActionFailed, match="was interrupted at step 3"):
        kit.run()
    assert len(kit.machine.launches) == 2


def test_a_training_that_misses_its_gate_is_not_trained_twice(kit):
    kit.machine.ends += [kit.ends.misses_its_gate]
    for _ in range(2):
        with pytest.raises(ActionFailed, match="did not pass its gate") as caught:
            kit.run()
        assert caught.value.exit_code == 1
        assert "loss_fell: validation_ratio is 2, must be <= 0.7" in caught.value.message
    assert len(kit.machine.launches) == 1


def test_a_failure_nobody_foresaw_is_not_repeated(kit):
    fails(kit, "RuntimeError", times=9)
    with pytest.raises(ActionFailed, match="it was RuntimeError"):
        kit.run()
    assert len(kit.machine.launches) == 1


def test_old_checkpoints_make_room_and_what_goes_is_shown_before_it_goes(kit, monkeypatch):
    for step in (2, 4, 6):
        kit.machine.checkpoint("0123456789abcdef", step)
    old = kit.volume / "trainings" / "0123456789abcdef" / "checkpoints"
    kept = []

    def usage(_path):
        left = len(list(old.glob("step-*")))
        kept.append(left)
        return SimpleNamespace(free=1e6 if left > 1 else 1e12)

    monkeypatch.setattr("shutil.disk_usage", usage)
    kit.run()
    assert [path.name for path in old.glob("step-*")] == ["step-00000006"]
    noted = [event.data["text"] for event in kit.events if event.type == "step.noted"]
    shown = [text for text in noted if text.startswith("pruning ")]
    assert shown[0] == "pruning 0123456789abcdef: keep steps 6; delete steps 2, 4"
    order = [event.type for event in kit.events if event.data.get("action") == "free_space"]
    assert order == ["step.started", "step.noted", "step.finished", "step.verified"]
    assert kit.started().index("free_space") < kit.started().index("train")


def test_pins_of_one_training_that_cannot_be_read_keep_no_other_from_making_room(kit, monkeypatch):
    trainings = kit.volume / "trainings"
    for key in ("0123456789abcdef", "fedcba9876543210"):
        for step in (2, 4, 6):
            kit.machine.checkpoint(key, step)
    pins = trainings / "0123456789abcdef" / "checkpoints" / "pinned.json"
    pins.write_text("[]", encoding="utf-8")

    def usage(_path):
        left = len(list(trainings.glob("*/checkpoints/step-*")))
        return SimpleNamespace(free=1e6 if left > 4 else 1e12)

    monkeypatch.setattr("shutil.disk_usage", usage)
    kit.run()
    there = {each.name for each in pins.parent.glob("step-*")}
    assert there == {"step-00000002", "step-00000004", "step-00000006"}
    noted = [event.data["text"] for event in kit.events if event.type == "step.noted"]
    assert "pruning fedcba9876543210: keep steps 6; delete steps 2, 4" in noted
    assert any(
        text.startswith("nothing of 0123456789abcdef is deleted: ") and "pinned.json" in text
        for text in noted
    )


def test_a_disk_that_stays_full_is_said_with_how_much_is_missing(kit, monkeypatch):
    sizes = iter(range(1_000_000, 9_000_000, 10_000))  # never the same number twice
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(free=next(sizes)))
    with pytest.raises(ActionFailed, match="MB free and this training needs") as caught:
        kit.run()
    assert "volume=DIR" in caught.value.fix
    assert kit.started().count("free_space") == 1
    assert kit.machine.launches == []


def test_a_disk_that_fills_up_during_training_is_no_reason_to_try_for_ever(kit):
    fails(kit, "disk_full", times=99)
    with pytest.raises(ActionFailed, match="it was disk_full"):
        kit.run()
    assert len(kit.machine.launches) == 1


def test_a_read_only_corner_of_the_volume_is_a_failure_with_the_path(kit):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    kit.volume.mkdir()
    kit.volume.chmod(0o500)
    with pytest.raises(ActionFailed, match=str(kit.volume)):
        kit.run()
