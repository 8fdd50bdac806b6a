"""What people and recoveries decide about checkpoints; policies are in `training.runner.keep`.

What is pinned stays whatever a policy says. Going back to a checkpoint is no matter of room: what
came after led to a failure, and goes, pinned or not.
"""

import json
from collections.abc import Iterable

from training.errors import CheckpointError
from training.runner.checkpoints import Store, pinned_steps
from training.store.durable import write_whole
from training.store.layout import LocalLayout

__all__ = ["later_than", "pin"]


def pin(store: Store, layout: LocalLayout, step: int, *, keep: bool = True) -> frozenset[int]:
    """Keep the checkpoint of a step whatever the policy says, or no longer; returns all such steps.

    Raises:
        CheckpointError: There is no such checkpoint.
        DiskFull: There is no room for a few bytes.
    """
    there = [entry.step for entry in store.entries()]
    now = pinned_steps(layout.pins_path)
    if step not in (there if keep else now):
        listed = ", ".join(str(each) for each in (there if keep else sorted(now))) or "none"
        raise CheckpointError(
            f"step {step} {'has no checkpoint' if keep else 'is not pinned'}",
            fix=f"use one of: {listed}",
            code="checkpoint_missing",
        )
    wanted = now | {step} if keep else now - {step}
    write_whole(layout.pins_path, json.dumps({"steps": sorted(wanted)}) + "\n")
    return wanted


def later_than(steps: Iterable[int], step: int) -> tuple[int, ...]:
    """Those of `steps` that going back to `step` deletes, in order.

    >>> later_than([300, 100, 200], 150)
    (200, 300)
    """
    return tuple(sorted(each for each in steps if each > step))
