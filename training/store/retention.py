"""Which checkpoints stay, decided here alone: by a policy, or by going back to one of them.

A policy or a roll-back makes a plan, which is carried out in a step of its own. Whatever a policy
says, the newest valid checkpoint stays, and what is pinned. A roll-back is no matter of room: what
came after led to a failure, and goes, pinned or not. Nothing is deleted that is not a checkpoint.
"""

import json
import math
import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training.errors import CheckpointError
from training.learn.config import TrainingConfig
from training.store.checkpoints import CheckpointStore
from training.store.durable import IF_FREE, TEMPORARY, directory_lock, sync_directory, write_whole
from training.store.manifest import Entry, read_entry
from training.store.names import PINS_FILE

__all__ = [
    "AnyOf",
    "KeepBest",
    "KeepEvery",
    "KeepLast",
    "Pinned",
    "Policy",
    "PrunePlan",
    "execute",
    "later_than",
    "pin",
    "pins",
    "plan_prune",
    "plan_roll_back",
    "policy_of",
]


class Policy(Protocol):
    """Decides which checkpoints are worth their room."""

    def keeps(self, entries: Sequence[Entry]) -> frozenset[int]:
        """The steps to keep, of entries in the order of their steps."""


@dataclass(frozen=True)
class KeepLast:
    """The newest `count`."""

    count: int

    def keeps(self, entries: Sequence[Entry]) -> frozenset[int]:
        """The largest steps."""
        return frozenset(entry.step for entry in entries[max(0, len(entries) - self.count) :])


@dataclass(frozen=True)
class KeepBest:
    """The one whose `metric` is best; the newest of equals; none where nobody has the metric."""

    metric: str
    lowest: bool = True

    def keeps(self, entries: Sequence[Entry]) -> frozenset[int]:
        """At most one step."""
        sign = 1.0 if self.lowest else -1.0
        scored = [
            (sign * entry.manifest.metrics[self.metric], -entry.step)
            for entry in entries
            if math.isfinite(entry.manifest.metrics.get(self.metric, math.nan))
        ]
        return frozenset({-min(scored)[1]} if scored else ())


@dataclass(frozen=True)
class KeepEvery:
    """Each multiple of `steps`; none when it is 0."""

    steps: int

    def keeps(self, entries: Sequence[Entry]) -> frozenset[int]:
        """The multiples."""
        return frozenset(e.step for e in entries if self.steps and e.step % self.steps == 0)


@dataclass(frozen=True)
class Pinned:
    """Steps that somebody named."""

    steps: frozenset[int]

    def keeps(self, entries: Sequence[Entry]) -> frozenset[int]:
        """The named steps that exist."""
        return frozenset(entry.step for entry in entries) & self.steps


@dataclass(frozen=True)
class AnyOf:
    """Whatever at least one of `policies` keeps."""

    policies: tuple[Policy, ...]

    def keeps(self, entries: Sequence[Entry]) -> frozenset[int]:
        """The union."""
        return frozenset().union(*(policy.keeps(entries) for policy in self.policies))


@dataclass(frozen=True)
class PrunePlan:
    """What stays and what goes, and the room that frees."""

    root: Path
    keep: tuple[Entry, ...]
    delete: tuple[Entry, ...]
    bytes: int
    newest: Entry | None  # the newest valid one, which the plan relies on; None: nothing to delete


def pins(store: CheckpointStore) -> frozenset[int]:
    """The steps somebody wants kept.

    Raises:
        CheckpointError: The file that holds them cannot be read.
    """
    path = store.root / PINS_FILE
    try:
        return frozenset(int(step) for step in json.loads(path.read_bytes())["steps"])
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{path} cannot be read: {error}",
            fix=f"rm {path}, then pin again what must stay",
            code="damaged_record",
        ) from error


def pin(store: CheckpointStore, step: int, *, keep: bool = True) -> frozenset[int]:
    """Keep the checkpoint of a step whatever the policy says, or no longer; returns all such steps.

    Raises:
        CheckpointError: There is no such checkpoint.
        DiskFull: There is no room for a few bytes.
    """
    there = [entry.step for entry in store.entries()]
    now = pins(store)
    if step not in (there if keep else now):
        listed = ", ".join(str(each) for each in (there if keep else sorted(now))) or "none"
        raise CheckpointError(
            f"step {step} {'has no checkpoint' if keep else 'is not pinned'}",
            fix=f"use one of: {listed}",
            code="checkpoint_missing",
        )
    wanted = now | {step} if keep else now - {step}
    write_whole(store.root / PINS_FILE, json.dumps({"steps": sorted(wanted)}) + "\n")
    return wanted


def policy_of(config: TrainingConfig) -> AnyOf:
    """The policy a configuration asks for: the last, the best, every K-th."""
    best = KeepBest("validation_loss") if config.model == "dit" else KeepBest("accuracy", False)
    return AnyOf((KeepLast(config.keep_last), best, KeepEvery(config.keep_every)))


def plan_prune(store: CheckpointStore, policy: Policy) -> PrunePlan:
    """What `policy` would delete from `store`; nothing is changed. What is pinned stays.

    Directories that are no checkpoints are in neither list. Bytes are read only as far as it
    takes to prove which checkpoint is the newest valid one, and only when something would go.

    Raises:
        CheckpointError: What is pinned cannot be read, so nothing may go.
    """
    entries = store.entries()
    kept = policy.keeps(entries) | Pinned(pins(store)).keeps(entries)
    if all(entry.step in kept for entry in entries):
        return PrunePlan(store.root, entries, (), 0, None)
    newest = store.newest_valid()
    keep = tuple(entry for entry in entries if entry.step in kept or entry == newest)
    delete = tuple(entry for entry in entries if entry not in keep)
    if newest is None:  # nothing here can be restored: leave all of it for a person to look at
        keep, delete = entries, ()
    return PrunePlan(store.root, keep, delete, sum(entry.bytes for entry in delete), newest)


def plan_roll_back(store: CheckpointStore, to: Entry) -> PrunePlan:
    """What going back to a checkpoint would delete: all that came after it; nothing is changed.

    Otherwise the next attempt would go on from what was judged bad.
    """
    entries = store.entries()
    gone = later_than((entry.step for entry in entries), to.step)
    delete = tuple(entry for entry in entries if entry.step in gone)
    keep = tuple(entry for entry in entries if entry.step not in gone)
    size = sum(entry.bytes for entry in delete)
    return PrunePlan(store.root, keep, delete, size, to if delete else None)


def later_than(steps: Iterable[int], step: int) -> tuple[int, ...]:
    """Those of `steps` that going back to `step` deletes, in order.

    >>> later_than([300, 100, 200], 150)
    (200, 300)
    """
    return tuple(sorted(each for each in steps if each > step))


def execute(plan: PrunePlan) -> tuple[Entry, ...]:
    """Delete what the plan says; returns what was deleted.

    Each directory is looked at again first: one that became a link, was replaced or is being
    written stays. It is renamed before it is emptied, so that no half of it is ever met.

    Raises:
        CheckpointError: The checkpoint that the plan relies on is gone: make a new plan.
    """
    if plan.newest is None:
        return ()
    if not _unchanged(plan.newest):
        raise CheckpointError(
            f"{plan.newest.path} was the newest valid checkpoint and is gone",
            fix="run the same command again: it plans from what is there now",
            code="prune_plan_stale",
        )
    deleted = []
    for entry in plan.delete:
        inside = entry.path.parent == plan.root and entry.path.name not in ("", ".", "..")
        if inside and _delete(entry):
            deleted.append(entry)
    return tuple(deleted)


def _delete(entry: Entry) -> bool:
    root, name = entry.path.parent, entry.path.name
    doomed = root / f"{TEMPORARY}pruned-{name}-{secrets.token_hex(4)}"
    with (
        suppress(BlockingIOError, FileNotFoundError, NotADirectoryError),
        directory_lock(entry.path, IF_FREE),
    ):
        if not _unchanged(entry):
            return False
        entry.path.rename(doomed)
        sync_directory(root)
        shutil.rmtree(doomed, ignore_errors=True)
        return True
    return False


def _unchanged(entry: Entry) -> bool:
    """True when the very checkpoint is still there, and not behind a link."""
    try:
        return not entry.path.is_symlink() and read_entry(entry.path) == entry
    except CheckpointError:
        return False
