"""What is kept: by step, by what was measured, by name; never what lies outside."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from training.judge.gates import keep_of
from training.learn.config import resolve
from training.runner.keep import Keep
from training.store.retention import later_than, pin


@pytest.fixture
def five(shelf: Any) -> Any:
    """Five checkpoints; the second has the least loss."""
    for step, loss in zip(range(100, 600, 100), (0.9, 0.1, 0.7, 0.8, 0.2), strict=True):
        weights = {"model": {"w": torch.full((4,), float(step))}}
        shelf.save(step, weights, {"validation_loss": loss})
    return shelf


def steps(shelf: Any) -> list[int]:
    return [entry.step for entry in shelf.store.entries()]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (Keep(last=2), [400, 500]),
        (Keep(last=1, best="validation_loss"), [200, 500]),
        (Keep(last=1, best="validation_loss", best_of="highest"), [100, 500]),
        (Keep(last=1, every=200), [200, 400, 500]),
        (Keep(last=9), [100, 200, 300, 400, 500]),
    ],
)
def test_a_policy_keeps_what_it_says(five: Any, keep: Keep, kept: list[int]) -> None:
    gone = [entry.step for entry in five.store.surplus(keep)]
    assert sorted([*gone, *kept]) == [100, 200, 300, 400, 500]
    assert len(steps(five)) == 5  # nothing is deleted yet
    assert [entry.step for entry in five.store.prune(keep)] == gone
    assert steps(five) == kept
    assert [path.name for path in five.root.iterdir() if path.name.startswith(".")] == []


def test_retention_by_ls_t_the_order_is_that_of_the_steps_after_a_copy(five: Any) -> None:
    for number, path in enumerate(sorted(five.root.glob("step-*"), reverse=True)):
        os.utime(path, (number, number))
    five.store.prune(Keep(last=2))
    assert steps(five) == [400, 500]


def test_what_is_no_checkpoint_is_left_alone(five: Any) -> None:
    (five.root / "notes").mkdir()
    (five.root / "step-00000001").mkdir()
    (five.root / "step-00000001" / "thesis.txt").write_text("years of work", encoding="utf-8")
    five.store.prune(Keep(last=1))
    assert (five.root / "notes").is_dir()
    assert (five.root / "step-00000001" / "thesis.txt").exists()


def test_a_link_among_checkpoints_is_never_followed(five: Any, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    subprocess.run(["cp", "-r", five.root / "step-00000100", precious], check=True)
    (five.root / "step-00000050").symlink_to(precious)
    (five.root / "step-00000200" / "extra").symlink_to(precious)
    five.store.prune(Keep(last=1))
    assert (precious / "model.safetensors").exists()


def test_a_configuration_says_its_policy() -> None:
    dit = keep_of(resolve("dit", "smoke", keep_last=2, keep_every=70))
    assert dit == Keep(2, "validation_loss", "lowest", 70)
    assert keep_of(resolve("classifier", "smoke")) == Keep(3, "accuracy", "highest", 0)


def test_what_is_pinned_stays_and_only_what_is_there_can_be_pinned(five: Any) -> None:
    with pytest.raises(Exception, match="step 7 has no checkpoint") as caught:
        pin(five.store, five.layout, 7)
    assert "100, 200" in caught.value.fix  # type: ignore[attr-defined]
    assert pin(five.store, five.layout, 100) == {100}
    five.store.prune(Keep(last=1))
    assert steps(five) == [100, 500]
    assert pin(five.store, five.layout, 100, keep=False) == set()
    five.store.prune(Keep(last=1))
    assert steps(five) == [500]


def test_pins_that_cannot_be_read_let_nothing_go(five: Any) -> None:
    (five.root / "pinned.json").write_text(json.dumps([]), encoding="utf-8")
    with pytest.raises(Exception, match="cannot be read"):
        five.store.prune(Keep(last=1))
    assert len(steps(five)) == 5


def test_going_back_names_all_that_came_after() -> None:
    assert later_than([100, 300, 200], 150) == (200, 300)
    assert later_than([100], 100) == ()
