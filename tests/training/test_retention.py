"""Pruning: by step, planned then executed, never the newest valid one, never outside the store."""

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from training.errors import CheckpointError
from training.learn.config import resolve
from training.store.checkpoints import CheckpointStore, Entry
from training.store.retention import (
    AnyOf,
    KeepBest,
    KeepEvery,
    KeepLast,
    Pinned,
    Policy,
    execute,
    pin,
    plan_prune,
    plan_roll_back,
    policy_of,
)

SCORES = {100: 0.9, 200: 0.3, 300: 0.5, 400: 0.3, 500: 0.8}


def save(store: CheckpointStore, step: int, **metrics: float) -> Entry:
    return store.write(step, {"model": {"w": torch.full((4,), float(step))}}, {}, metrics)


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    store = CheckpointStore(tmp_path / "volume" / "checkpoints" / "dit" / "key")
    for step, loss in SCORES.items():
        save(store, step, loss=loss)
    return store


def steps(store: CheckpointStore) -> list[int]:
    return [entry.step for entry in store.entries()]


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (KeepLast(2), [400, 500]),
        (KeepLast(9), [100, 200, 300, 400, 500]),
        (KeepLast(0), [500]),
        (KeepBest("loss"), [400, 500]),
        (KeepBest("loss", lowest=False), [100, 500]),
        (KeepBest("nothing"), [500]),
        (KeepEvery(200), [200, 400, 500]),
        (KeepEvery(0), [500]),
        (Pinned(frozenset({100, 77})), [100, 500]),
        (AnyOf((KeepLast(1), KeepEvery(300), Pinned(frozenset({100})))), [100, 300, 500]),
        (AnyOf(()), [500]),
    ],
)
def test_a_policy_keeps_what_it_says_and_the_newest_valid_one(
    store: CheckpointStore, policy: Policy, kept: list[int]
) -> None:
    plan = plan_prune(store, policy)
    assert steps(store) == sorted(SCORES)
    assert [entry.step for entry in plan.keep] == kept
    assert sorted(entry.step for entry in plan.keep + plan.delete) == sorted(SCORES)
    assert plan.bytes == sum(entry.bytes for entry in plan.delete)
    assert execute(plan) == plan.delete
    assert steps(store) == kept
    assert [path.name for path in store.root.iterdir() if path.name.startswith(".")] == []
    assert execute(plan_prune(store, policy)) == ()


def test_retention_by_ls_t_the_order_is_that_of_the_steps_after_a_copy(
    store: CheckpointStore,
) -> None:
    """A predecessor sorted by date: after a copy it deleted the wrong ones."""
    copy = store.root.with_name("copy")
    subprocess.run(["cp", "-r", str(store.root), str(copy)], check=True)
    dates = random.Random(3)
    for path in copy.iterdir():
        os.utime(path, (dates.random() * 1e9,) * 2)
    copied = CheckpointStore(copy)
    execute(plan_prune(copied, KeepLast(2)))
    assert steps(copied) == [400, 500]


def test_the_newest_valid_one_stays_when_newer_ones_are_damaged(store: CheckpointStore) -> None:
    for step in (400, 500):
        os.truncate(store.root / f"step-{step:08d}" / "model.safetensors", 10)
    plan = plan_prune(store, KeepLast(1))
    execute(plan)
    assert steps(store) == [300, 500]
    newest = store.newest_valid()
    assert newest is not None
    assert newest.step == 300


def test_nothing_is_deleted_where_nothing_can_be_restored(store: CheckpointStore) -> None:
    for entry in store.entries():
        (entry.path / "model.safetensors").unlink()
    plan = plan_prune(store, KeepLast(1))
    assert plan.delete == ()
    assert execute(plan) == ()


def test_what_is_no_checkpoint_is_left_alone(store: CheckpointStore) -> None:
    (store.root / "notes").mkdir()
    (store.root / "step-00000001").mkdir()
    (store.root / "step-00000001" / "thesis.txt").write_text("years of work", encoding="utf-8")
    (store.root / ".tmp-step-00000600-1-ab").mkdir()
    execute(plan_prune(store, KeepLast(1)))
    assert sorted(path.name for path in store.root.iterdir()) == [
        ".tmp-step-00000600-1-ab",
        "notes",
        "saved.jsonl",
        "step-00000001",
        "step-00000500",
    ]


def test_a_link_in_the_store_is_never_followed(store: CheckpointStore, tmp_path: Path) -> None:
    other = CheckpointStore(tmp_path / "other")
    precious = save(other, 50)
    (store.root / "step-00000050").symlink_to(precious.path)
    plan = plan_prune(store, KeepLast(1))
    assert 50 not in [entry.step for entry in plan.delete]
    execute(plan)
    assert other.newest_valid() == precious


def test_a_directory_that_became_a_link_after_planning_is_not_deleted(
    store: CheckpointStore, tmp_path: Path
) -> None:
    plan = plan_prune(store, KeepLast(1))
    victim = tmp_path / "victim"
    doomed = store.root / "step-00000100"
    doomed.rename(victim)
    doomed.symlink_to(victim)
    assert [entry.step for entry in execute(plan)] == [200, 300, 400]
    assert (victim / "manifest.json").exists()


def test_links_inside_a_deleted_checkpoint_are_not_followed(
    store: CheckpointStore, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x", encoding="utf-8")
    (store.root / "step-00000100" / "extra").symlink_to(precious)
    execute(plan_prune(store, KeepLast(1)))
    assert steps(store) == [500]
    assert (precious / "file").exists()


def test_a_forged_plan_deletes_nothing_outside_its_root(
    store: CheckpointStore, tmp_path: Path
) -> None:
    other = save(CheckpointStore(tmp_path / "other"), 50)
    plan = plan_prune(store, KeepLast(1))
    forged = type(plan)(plan.root, plan.keep, (other,), 0, plan.newest)
    assert execute(forged) == ()
    assert other.path.exists()


def test_a_plan_is_stale_when_what_it_relies_on_is_gone(store: CheckpointStore) -> None:
    plan = plan_prune(store, KeepLast(1))
    (store.root / "step-00000500" / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="is gone"):
        execute(plan)
    assert steps(store) == [100, 200, 300, 400]


def test_one_that_was_written_again_since_the_plan_stays(store: CheckpointStore) -> None:
    plan = plan_prune(store, KeepLast(1))
    save(store, 100, loss=0.1)
    assert [entry.step for entry in execute(plan)] == [200, 300, 400]
    assert steps(store) == [100, 500]


def test_one_that_is_being_replaced_stays(store: CheckpointStore, processes: Any) -> None:
    plan = plan_prune(store, KeepLast(1))
    path = store.root / "step-00000100"
    command = ["flock", "--shared", str(path), "-c", "echo held; read line"]
    holder = processes(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    assert 100 not in [entry.step for entry in execute(plan)]
    holder.communicate(b"\n")
    assert steps(store) == [100, 500]


def test_a_configuration_says_its_policy(store: CheckpointStore) -> None:
    config = resolve("dit", "smoke", keep_last=1, keep_every=200)
    assert [entry.step for entry in plan_prune(store, policy_of(config)).keep] == [200, 400, 500]


def test_an_unparsable_score_is_no_score(store: CheckpointStore) -> None:
    manifest = store.root / "step-00000200" / "manifest.json"
    stored = json.loads(manifest.read_text(encoding="utf-8"))
    stored["metrics"]["loss"] = 0.0
    manifest.write_text(json.dumps(stored), encoding="utf-8")
    assert [entry.step for entry in plan_prune(store, KeepBest("loss")).keep] == [400, 500]


@pytest.mark.parametrize("pinned", [None, 300, 500])
def test_going_back_deletes_all_that_came_after_whether_pinned_or_not(
    store: CheckpointStore, pinned: int | None
) -> None:
    """What came after led to a failure: kept, the next attempt would go on from it."""
    if pinned is not None:
        pin(store, pinned)
    to = store.entries()[1]
    plan = plan_roll_back(store, to)
    assert [entry.step for entry in plan.keep] == [100, 200]
    assert [entry.step for entry in execute(plan)] == [300, 400, 500]
    assert steps(store) == [100, 200]


def test_going_back_to_the_newest_deletes_nothing(store: CheckpointStore) -> None:
    assert execute(plan_roll_back(store, store.entries()[-1])) == ()
    assert steps(store) == sorted(SCORES)


def test_that_a_checkpoint_is_deleted_is_decided_in_one_module() -> None:
    """Plans are made there alone, and who removes a checkpoint by name asks there which."""
    root = Path(__file__).parents[2]
    deletes = set()
    for room in ("actions", "training"):
        for path in (root / room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(root).as_posix()
            if "PrunePlan(" in text:
                deletes.add(name)
            if ".remove(job.directory.checkpoint_name(" in text:
                assert "later_than(" in text
                deletes.add(name)
    assert deletes == {"training/store/retention.py", "actions/adjust.py"}
