"""What makes room on the disk of a volume: old checkpoints go, of every training that is there."""

import dataclasses

from actions.disk import BYTES_PER_MB, free_mb_of
from actions.ports import ports_of
from agents.declare.actions import Context
from agents.declare.outcome import Measurement, Outcome
from agents.errors import ActionFailed, FailureClass
from training.errors import TrainingError
from training.runner.checkpoints import Store
from training.runner.keep import Keep
from training.runner.sealed import Checkpoint
from training.store.directory import TrainingDirectory, trainings
from training.store.lock import is_held

__all__ = ["make_room", "prune"]


def make_room(context: Context, needed: float) -> Outcome:
    """Delete all but the newest and the best checkpoint of every training that nobody carries.

    Args:
        context: Of the action that does so.
        needed: How many MB a training needs.

    Raises:
        ActionFailed: There is still too little.
    """
    volume = ports_of(context).volume
    root = volume.local_root
    if root is None:
        return Outcome(summary="a Modal Volume needs no room made")
    gone = [entry for each in trainings(volume) for entry in _pruned(context, each)]
    deleted, freed = len(gone), sum(each.bytes for each in gone)
    free = free_mb_of(root)
    if free < needed:
        raise ActionFailed(
            f"the disk of {root} has {free:.0f} MB free and this training needs {needed:.0f} MB; "
            f"deleting {deleted} old checkpoints freed {freed / BYTES_PER_MB:.0f} MB",
            fix=f"free {needed - free:.0f} MB there, or use another disk: volume=DIR",
            failure_class=FailureClass.RESOURCE,
            name="disk_full",
        )
    return Outcome(
        summary=f"{deleted} checkpoints deleted, {freed / BYTES_PER_MB:.1f} MB freed",
        measurements=(Measurement(name="freed", value=freed, unit="B", source="retention policy"),),
    )


def prune(context: Context, store: Store, key: str, keep: Keep) -> list[Checkpoint]:
    """Delete what is not kept of a training that nobody carries, and say so before.

    Raises:
        CheckpointError: What is pinned cannot be read, so nothing may go.
    """
    there = store.entries()
    more = store.surplus(keep, there)
    if not more:
        return []
    kept = ", ".join(f"{each.step}" for each in there if each not in more) or "none"
    gone = ", ".join(f"{each.step}" for each in more)
    context.note(f"pruning {key}: keep steps {kept}; delete steps {gone}")
    return store.prune(keep)


def _pruned(context: Context, directory: TrainingDirectory) -> list[Checkpoint]:
    """What was deleted of one training; nothing where a record of it is damaged, which is said."""
    if is_held(directory.lock_path):
        return []
    try:
        order = directory.read_order()
        if order is None:
            return []
        least = dataclasses.replace(order.keep, last=1, every=0)
        return prune(context, directory.store(order), directory.key, least)
    except TrainingError as error:
        context.note(f"nothing of {directory.key} is deleted: {error.message}")
        return []
