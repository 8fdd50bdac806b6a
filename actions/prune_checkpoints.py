"""prune-checkpoints: no more checkpoints than the policy keeps; planned, shown, then executed."""

from actions.job import TrainingContext, job_of
from actions.making_room import prune
from actions.measured import megabytes, pruned
from actions.ports import ports_of, translated
from actions.touched import by_training
from agents.declare.actions import action, sensor
from agents.declare.facts import Fact, Reading
from agents.declare.outcome import Outcome
from goals.parameters import TrainingParameters
from goals.world import F
from training.store.lock import is_held

__all__ = ["checkpoints_pruned", "prune_checkpoints"]


def _trained(params: TrainingParameters) -> Fact:
    return F[f"{params.model}_trained"]


@sensor(F.checkpoints_pruned, needs=F.auth_valid, parameters=TrainingParameters, timeout=15)
def checkpoints_pruned(context: TrainingContext) -> Reading:
    """True when pruning now would delete nothing."""
    job, root = job_of(context), ports_of(context).volume.local_root
    if job is None:
        return Reading(True, "there are no checkpoints of this training")
    if root is None:
        return Reading(True, "the trainer is the only one who prunes there, after each checkpoint")
    store = job.directory.store(job.order)
    with translated():
        there = store.entries()
        more = store.surplus(job.order.keep, there)
    if more:
        return Reading(False, f"{len(more)} more than the policy keeps ({megabytes(more)})")
    return Reading(True, f"{len(there)} kept, none to delete")


@action(
    needs=_trained,
    effect=F.checkpoints_pruned,
    seconds=1,
    parameters=TrainingParameters,
    touches=by_training,
)
def prune_checkpoints(context: TrainingContext) -> Outcome:
    """Delete the checkpoints the retention policy does not keep; never the newest valid one."""
    job, root = job_of(context), ports_of(context).volume.local_root
    if job is None or root is None:
        return Outcome(summary="nothing to prune")
    if is_held(job.directory.lock_path):
        return Outcome(summary="its runner prunes")
    with translated():
        gone = prune(context, job.directory.store(job.order), job.key, job.order.keep)
    return pruned(gone, "retention plan")
