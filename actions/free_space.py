"""free-space: a recovery; old checkpoints make room for a training that has none."""

import dataclasses

from actions.disk import BYTES_PER_MB, free_mb_of
from actions.job import TrainingContext
from actions.ports import ports_of
from actions.prune_checkpoints import prune
from actions.training_cost import disk_mb
from agents.declare.actions import action
from agents.declare.outcome import Measurement, Outcome
from agents.errors import ActionFailed, FailureClass
from goals.parameters import TrainingParameters
from goals.world import F
from training.store.directory import trainings

__all__ = ["free_space"]


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
    gone = []
    for directory in trainings(volume):
        order = directory.read_order()
        if order is not None:
            gone += prune(context, directory, dataclasses.replace(order.keep, last=1, every=0))
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
        measurements=(Measurement(name="freed", value=freed, unit="B", source="retention plan"),),
    )
