"""What is deleted when checkpoints are damaged: never the last that a training can go on from."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.runner.conftest import EXACT
from training.runner.checkpoints import Store
from training.runner.keep import Keep


def truncate(path: Path) -> None:
    os.truncate(path / "state.json", 1)


def flip(path: Path) -> None:
    content = bytearray((path / "state.json").read_bytes())
    content[len(content) // 2] ^= 1
    (path / "state.json").write_bytes(content)


def lose(path: Path) -> None:
    (path / "state.json").unlink()


def lose_the_manifest(path: Path) -> None:
    (path / "goap-manifest.json").unlink()


def replace(path: Path) -> None:
    (path / "state.json").rename(path / "before")
    (path / "state.json").write_bytes((path / "before").read_bytes()[::-1])


DAMAGES = [truncate, flip, lose, lose_the_manifest, replace]


@pytest.fixture
def four(training):
    """A training with checkpoints of steps 5, 10, 15 and 20; of 15 the loss is the least."""
    losses = {5: 4.0, 10: 2.0, 15: 1.0, 20: 3.0}
    script = EXACT.replace("loss=1 + state / 2**64", f"loss={losses}.get(step, 9.0)").replace(
        "    run.log",
        "    if step == 12 and (run.directory / 'stops').exists(): sys.exit(9)\n    run.log",
    )
    tiny = training(script, keep=Keep(last=9))
    tiny.carry(code=0)
    assert tiny.steps == [5, 10, 15, 20]
    return tiny


def pruned(tiny, keep):
    """The steps that go, each with a name; first what is planned, then what is done."""
    said = {}
    store = Store(tiny.order, tiny.layout)
    planned = [entry.step for entry in store.surplus(keep)]
    assert [entry.step for entry in store.prune(keep, said.__setitem__)] == planned
    return planned, said


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_newest_and_the_best_valid_ones_stay_where_the_newest_and_the_best_are_damaged(
    four, damage
):
    best, newest = (each.path for each in four.checkpoints[-2:])
    damage(best)
    store = Store(four.order, four.layout)
    assert [each.step for each in store.surplus(Keep(last=1, best="loss"))] == [5]
    damage(newest)
    assert pruned(four, Keep(last=1))[0] == [5]
    assert Store(four.order, four.layout).newest_valid().step == 10
    assert best.is_dir()
    assert newest.is_dir()


def test_a_damaged_one_is_said_and_stays_for_a_person_to_look_at(four):
    truncate(four.checkpoints[-1].path)
    flip(four.checkpoints[-2].path)
    gone, said = pruned(four, Keep(last=1))
    assert gone == [5]
    assert sorted(said) == ["step-00000015", "step-00000020"]
    assert four.steps == [10, 15, 20]


def test_nothing_goes_where_all_are_damaged(four):
    for each in four.checkpoints:
        truncate(each.path)
    assert pruned(four, Keep(last=1))[0] == []


def test_one_that_was_damaged_after_it_was_sealed_and_read_is_read_again(four):
    store = Store(four.order, four.layout)
    assert [each.step for each in store.surplus(Keep(last=1))] == [5, 10, 15]
    flip(four.checkpoints[-1].path)
    assert [each.step for each in store.surplus(Keep(last=1))] == [5, 10]


def test_a_runner_that_goes_on_before_a_damaged_one_keeps_what_it_saves(four):
    state = json.loads((four.checkpoints[-1].path / "state.json").read_text())
    _, second, third, last = (each.path for each in four.checkpoints)
    for path in (second, third):
        shutil.rmtree(path)
    truncate(last)
    four.layout.verdict_path.unlink()
    (four.layout.path / "result.json").unlink()
    (four.layout.path / "stops").touch()
    four.ordered(keep=Keep(last=1))
    assert four.carry(code=1).checkpoint.step == 10
    assert four.steps == [10, 20]
    assert "step-00000020 is passed over: state.json has 1 bytes" in four.log
    (four.layout.path / "stops").unlink()
    assert four.carry(code=0).checkpoint.step == 20
    assert "Resuming at step 10 of 20" in four.log
    assert four.steps == [20]
    assert json.loads((four.checkpoints[-1].path / "state.json").read_text()) == state
