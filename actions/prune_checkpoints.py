"""prune-checkpoints: no more checkpoints than the policy keeps; planned, shown, then executed."""

from collections.abc import Iterable

from actions.job import TrainingContext, job_of
from actions.ports import ports_of, translated
from agents.declare.actions import Context, action, sensor
from agents.declare.facts import Fact, Reading
from agents.declare.outcome import Measurement, Outcome
from goals.parameters import TrainingParameters
from goals.world import F
from training.store.directory import TrainingDirectory
from training.store.retention import Policy, PrunePlan, execute, plan_prune, policy_of

__all__ = ["checkpoints_pruned", "prune_checkpoints", "prune_stores"]


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
    plan = plan_prune(job.directory.store(job.spec), policy_of(job.config))
    if plan.delete:
        return Reading(False, f"{len(plan.delete)} more than the policy keeps ({_mb(plan.bytes)})")
    return Reading(True, f"{len(plan.keep)} kept, none to delete")


@action(
    needs=_trained,
    effect=F.checkpoints_pruned,
    seconds=1,
    parameters=TrainingParameters,
)
def prune_checkpoints(context: TrainingContext) -> Outcome:
    """Delete the checkpoints the retention policy does not keep; never the newest valid one."""
    job, root = job_of(context), ports_of(context).volume.local_root
    if job is None or root is None:
        return Outcome(summary="nothing to prune")
    freed, deleted = prune_stores(context, [job.directory], policy_of(job.config))
    return _outcome(freed, deleted)


def prune_stores(
    context: Context, directories: Iterable[TrainingDirectory], policy: Policy
) -> tuple[int, int]:
    """Plan, show and execute for each training; returns bytes freed and checkpoints deleted."""
    freed = deleted = 0
    for directory in directories:
        with translated():
            plan = plan_prune(directory.store(), policy)
        if not plan.delete:
            continue
        context.note(f"pruning {directory.key}: {_shown(plan)}")
        with translated():
            execute(plan)
        freed += plan.bytes
        deleted += len(plan.delete)
    return freed, deleted


def _outcome(freed: int, deleted: int) -> Outcome:
    return Outcome(
        summary=f"{deleted} checkpoints deleted, {_mb(freed)} freed",
        measurements=(
            Measurement(name="deleted", value=deleted, source="retention plan"),
            Measurement(name="freed", value=freed, unit="B", source="retention plan"),
        ),
    )


def _shown(plan: PrunePlan) -> str:
    keep = ", ".join(f"{entry.step}" for entry in plan.keep)
    delete = ", ".join(f"{entry.step}" for entry in plan.delete)
    return f"keep steps {keep or 'none'}; delete steps {delete}"


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
