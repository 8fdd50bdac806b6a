"""free_space: a recovery; checkpoints that are neither newest nor best make room."""

from collections.abc import Iterator
from pathlib import Path

from actions.disk import BYTES_PER_MB, free_mb_of
from actions.ports import ports_of
from actions.trained.job import TrainedContext
from actions.trained.parameters import TrainedParameters
from actions.trained.train import LEAST_MB
from agents.declare.actions import action
from agents.declare.outcome import Measurement, Outcome
from agents.errors import ActionFailed, FailureClass
from goals.world import F
from training.errors import TrainingError
from training.runner.checkpoints import Store
from training.runner.keep import Keep
from training.store.directory import TrainingDirectory, trainings
from training.store.layout import LocalLayout
from training.store.lock import is_held
from training.store.volume import Volume

__all__ = ["free_space"]


def _is_here(params: TrainedParameters) -> bool:
    return params.compute == "local"


@action(
    effect=F.free_mb >= LEAST_MB,
    seconds=5,
    recovery=True,
    parameters=TrainedParameters,
    when=_is_here,
)
def free_space(context: TrainedContext) -> Outcome:
    """Make room by deleting all but the newest and the best checkpoint of every training."""
    volume = ports_of(context).volume
    root = volume.local_root
    if root is None:
        return Outcome(summary="a Modal Volume needs no room made")
    freed = deleted = 0
    for size in _pruned(volume, root, context):
        freed, deleted = freed + size, deleted + 1
    free = free_mb_of(root)
    if free < LEAST_MB:
        raise ActionFailed(
            f"the disk of {root} has {free:.0f} MB free and a training needs {LEAST_MB:.0f} MB; "
            f"deleting {deleted} old checkpoints freed {freed / BYTES_PER_MB:.0f} MB",
            fix=f"free {LEAST_MB - free:.0f} MB there, or use another disk: volume=DIR",
            failure_class=FailureClass.RESOURCE,
            name="disk_full",
        )
    return Outcome(
        summary=f"{deleted} checkpoints deleted, {freed / BYTES_PER_MB:.1f} MB freed",
        measurements=(Measurement(name="freed", value=freed, unit="B", source="retention policy"),),
    )


def _pruned(volume: Volume, root: Path, context: TrainedContext) -> Iterator[int]:
    """Bytes of each checkpoint that was deleted; what runs keeps what it has."""
    for directory in trainings(volume):
        if is_held(directory.lock_path):
            continue
        try:
            yield from _of_one(directory, root)
        except TrainingError as error:
            context.note(f"nothing of {directory.key} is deleted: {error.message}")


def _of_one(directory: TrainingDirectory, root: Path) -> Iterator[int]:
    order = directory.read_order()
    if order is not None:
        least = Keep(last=1, best=order.keep.best, best_of=order.keep.best_of)
        yield from (each.bytes for each in Store(order, LocalLayout(root, order.key)).prune(least))
