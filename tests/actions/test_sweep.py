"""Several configurations, each a step of its own; one that cannot win does not end the sweep."""

import json

import pytest

from agents.errors import ActionFailed
from training.store.directory import TrainingDirectory

SWEEP = {"sweep": "learning_rate=1e-3,2e-3,4e-3", "at_once": "1"}


@pytest.fixture
def kit(kit):
    kit.goal = "best_dit"
    return kit


def measured(ratio):
    return {
        "validation_ratio": ratio,
        "average_distance": 0.1,
        "sample_correlation": 0.9,
        "further_than_photos": 0.1,
    }


def ends_with(loss, *, passed=True):
    """A training that reaches its last step with this validation loss."""

    def end(machine, key):
        steps = TrainingDirectory.local(machine.root, key).read_order().target_step
        checkpoint = machine.checkpoint(key, steps)
        metrics = measured(0.5 if passed else 2.0) | {"validation_loss": loss}
        machine.leave(key, "completed", steps, checkpoint=checkpoint, numbers=metrics)

    return end


def ranking(kit):
    (path,) = (kit.volume / "sweeps").iterdir()
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_least_validation_loss_wins_and_is_committed_and_recorded(kit):
    kit.machine.ends += [ends_with(0.3), ends_with(0.1), ends_with(0.2)]
    kit.run(**SWEEP)
    best = kit.machine.launches[1][0]
    assert ranking(kit)["best"] == best
    assert (kit.volume / "trainings" / best / "commit.json").exists()
    assert kit.look("best_chosen", **SWEEP) == {"best_chosen": True}
    (page,) = (kit.root / "repo" / "plans").glob("ADR-001-*.md")
    assert best in page.read_text(encoding="utf-8")


def test_one_that_cannot_learn_and_one_that_fails_its_gate_cannot_win(kit):
    kit.machine.ends += [
        kit.ends.fails("loss_collapsed"),
        ends_with(0.1, passed=False),
        ends_with(0.2),
    ]
    kit.run(**SWEEP)
    assert ranking(kit)["best"] == kit.machine.launches[2][0]
    told = list(ranking(kit)["ranking"].values())
    assert told[0] == "out: loss_collapsed at step 4"
    assert told[1].endswith("failed loss_fell")


def test_when_none_is_good_enough_the_goal_stays_open(kit):
    kit.machine.ends += [ends_with(0.1, passed=False)] * 3
    with pytest.raises(ActionFailed, match="no configuration of the sweep passed its gates"):
        kit.run(**SWEEP)
    assert not (kit.volume / "sweeps").exists()


def test_a_sweep_that_was_killed_goes_on_and_trains_nothing_twice(kit):
    kit.machine.ends += [ends_with(0.3), kit.ends.is_killed(4), ends_with(0.1), ends_with(0.2)]
    kit.run(**SWEEP)
    assert len(kit.machine.launches) == 4  # the second configuration in two attempts
    assert len({key for key, _ in kit.machine.launches}) == 3
    kit.run(**SWEEP)
    assert kit.started() == []


def test_a_winner_whose_checkpoint_is_gone_is_trained_again(kit):
    kit.machine.ends += [ends_with(0.1), ends_with(0.2), ends_with(0.3)]
    kit.run(**SWEEP)
    best = ranking(kit)["best"]
    for path in (kit.volume / "trainings" / best / "checkpoints").rglob("goap-manifest.json"):
        path.unlink()
    assert kit.look("best_chosen", "candidate_1_judged", **SWEEP) == {
        "best_chosen": False,
        "candidate_1_judged": False,
    }
    kit.machine.ends += [ends_with(0.1)]
    kit.run(**SWEEP)
    assert kit.machine.launches[-1][0] == best
