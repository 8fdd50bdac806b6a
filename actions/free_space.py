"""free-space: a recovery; old checkpoints make room for a training that has none."""

import shutil
from pathlib import Path

from actions.job import TrainingContext
from actions.ports import ports_of
from actions.prune_checkpoints import prune_stores
from actions.training_cost import disk_mb
from agents.declare.actions import Context, action, sensor
from agents.declare.facts import UNKNOWN, Reading
from agents.declare.outcome import Measurement, Outcome
from agents.errors import ActionFailed, FailureClass
from goals.parameters import PlacedParameters, TrainingParameters
from goals.world import F
from training.store.directory import trainings
from training.store.retention import AnyOf, KeepBest, KeepLast

__all__ = ["free_mb", "free_space"]

BYTES_PER_MB = 1e6


@sensor(F.free_mb, parameters=PlacedParameters)
def free_mb(context: Context[PlacedParameters]) -> Reading:
    """Free space of the disk the volume is on."""
    root = ports_of(context).volume.local_root
    if root is None:
        return Reading(UNKNOWN, "a Modal Volume grows as it is written")
    return Reading(_free(root), f"free on the disk of {root}")


@action(
    effect=lambda params: F.free_mb >= disk_mb(params),
    seconds=5,
    recovery=True,
    parameters=TrainingParameters,
    when=lambda params: params.compute == "local",
)
def free_space(context: TrainingContext) -> Outcome:
    """Make room by deleting all but the newest and the best checkpoint of every training."""
    root, needed = ports_of(context).volume.local_root, disk_mb(context.params)
    if root is None:
        return Outcome(summary="a Modal Volume needs no room made")
    volume = ports_of(context).volume
    best = (KeepBest("validation_loss"), KeepBest("accuracy", lowest=False))
    freed, deleted = prune_stores(context, trainings(volume), AnyOf((KeepLast(1), *best)))
    free = _free(root)
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
        measurements=(Measurement(name="freed", value=freed, unit="B", source="retention plan"),),
    )


def _free(root: Path) -> float:
    existing = next(path for path in (root, *root.parents) if path.exists())
    return shutil.disk_usage(existing).free / BYTES_PER_MB
