"""train: one training, launched once, followed until it ends, and judged by its gates.

The training is a process (or a Modal call) of its own that outlives this one. Following it means
reading what it writes to the volume; being interrupted means letting it go on.
"""

import itertools
import re

from actions.job import Job, job_of, training_params
from actions.ports import Ports, ports_of, translated
from actions.training_cost import basis, disk_mb, price, training_seconds
from actions.training_outcome import outcome_of
from agents.actions import Context, Cost, Progress, action
from agents.errors import ActionFailed, FailureClass, Interrupted
from agents.facts import Condition, Fact
from agents.outcome import Outcome
from goals.world import F
from training.adjustments import adjustments_of
from training.compute import TrainingStatus
from training.result import Result

__all__ = ["train"]

POLL_SECONDS = 0.5
LOG_LINE = " | "
"""In every line that a training writes while it is well."""

ERROR = re.compile(r"error: |\w+(\.\w+)*(Error|Exception)\b")


def _needs(params: object) -> tuple[Fact | Condition, ...]:
    ready = (F.auth_valid, F.image_built, F.dataset_ready, F.fits_memory, F.loss_finite)
    room = (F.free_mb >= disk_mb(params),) if getattr(params, "compute", "") == "local" else ()
    return (*ready, F.objective_sound, *room)


def _effect(params: object) -> tuple[Condition, ...]:
    # new checkpoints and measurements: what was committed, tidy and documented is not any more
    trained = F[f"{getattr(params, 'model', 'dit')}_trained"] == True  # noqa: E712
    return (trained, ~F.volume_committed, ~F.checkpoints_pruned, ~F.documented)


def _recall(context: Context) -> Outcome | None:
    """The outcome of a training that reached its end while nobody followed it."""
    job = job_of(context)
    result = job.result() if job is not None else None
    if job is None or result is None or not result.passed or not job.holds_checkpoint(result):
        return None
    return outcome_of(job, result, ports_of(context).compute)


@action(
    needs=_needs,
    effect=_effect,
    cost=lambda params: Cost(training_seconds(params), price(params), basis(params)),
    resources={"gpu": 1, "cpu": 1},
    when=lambda params: bool(getattr(params, "model", "")),
    recall=_recall,
)
def train(context: Context) -> Outcome:
    """Train to the last step on the compute; resumes from the newest valid checkpoint."""
    ports, job = ports_of(context), _job(context)
    result = job.result()
    if result is not None and result.status == "completed" and not job.holds_checkpoint(result):
        context.note({"text": f"the checkpoint of training {job.key} is gone; training goes on"})
        job.forget_result()
    elif result is not None and result.status == "completed":
        context.note({"text": f"training {job.key} is finished already; nothing is launched"})
        return outcome_of(job, result, ports.compute)
    _launch(context, ports, job)
    status = _follow(context, ports, job)
    result = job.result()
    if result is not None and status.state == "completed":
        return outcome_of(job, result, ports.compute)
    raise _failure(job, status, result)


def _job(context: Context) -> Job:
    job = job_of(context)
    if job is None:
        raise ActionFailed(
            "the dataset is not on the volume, so there is nothing to train on",
            fix="run the same command again: it prepares the dataset first",
            failure_class=FailureClass.PERMANENT,
            name="dataset_missing",
        )
    return job


def _launch(context: Context, ports: Ports, job: Job) -> None:
    # the intent is durable before the launch: a crash between the two is seen by the next run
    context.note({"training": job.key, "launch": "intended"})
    execution = training_params(context).execution()
    adjusted = adjustments_of(job.volume, job.key, execution)
    # it ends by itself before the cap is passed, also when nobody is left to stop it; after a
    # preemption its time begins anew, so that it is we who stop it then
    adjusted = adjusted.model_copy(update={"deadline_seconds": context.paid_seconds})
    with translated():
        launch = ports.compute.launch(job.key, job.config, job.dataset.name, adjusted)
    word = "re-attached to" if launch.attached else "launched"
    context.note(
        {
            "training": job.key,
            "launch": "attached" if launch.attached else "launched",
            "owner": launch.owner,
            "call_id": launch.call_id,
            "text": f"{word} training {job.key} ({launch.owner})",
        }
    )


def _follow(context: Context, ports: Ports, job: Job) -> TrainingStatus:
    while True:
        with translated():
            status = ports.compute.status(job.key)
        _tell(context, status)
        if status.state != "running":
            return status
        if context.cancelled.wait(POLL_SECONDS):
            if context.broke.is_set():
                _stop(ports, job)
            raise Interrupted(
                f"training {job.key} goes on without us ({status.owner})",
                fix=f"the same command re-attaches{_how_to_stop(job)}",
            )


def _how_to_stop(job: Job) -> str:
    root = job.local_root()
    if root is None:
        return ""
    return f"; to stop it: python -m training stop --volume {root} --key {job.key}"


def _stop(ports: Ports, job: Job) -> None:
    """End the training: it saves, and whoever has more money resumes it."""
    with translated():
        ports.compute.stop(job.key)
    raise Interrupted(
        f"training {job.key} was told to save and end",
        fix="run the same command with a higher max_cost=: it resumes from the newest checkpoint",
    )


def _tell(context: Context, status: TrainingStatus) -> None:
    if status.step is None or not status.target:
        return
    parts = []
    if status.loss is not None:
        parts.append(f"loss {status.loss:.4f}")
    eta = None
    if status.images_per_second:
        parts.append(f"{status.images_per_second:,.0f} images/s")
    if status.steps_per_second:
        eta = (status.target - status.step) / status.steps_per_second
    context.progress(Progress(status.step, status.target, " · ".join(parts), eta))


def _failure(job: Job, status: TrainingStatus, result: Result | None) -> ActionFailed:
    """What a training that ended early says, as a failure the engine can plan from."""
    reached = f"step {status.step or 0}"
    # an attempt that was killed leaves the result of the one before it, which says nothing about it
    if status.state == "failed" and result is not None and result.failure is not None:
        failure = result.failure
        return ActionFailed(
            f"training {job.key} stopped at step {failure.step}: {failure.message}",
            fix=_the_log(job),
            failure_class=FailureClass(str(failure.failure_class)),
            name=failure.name,
            progress=reached,
        )
    said = _last_words(job)
    if said:
        return ActionFailed(
            f"training {job.key} broke off at {reached}: {said}",
            fix=_the_log(job),
            name="training_broke_off",
        )
    return ActionFailed(
        f"training {job.key} was interrupted at {reached}",
        fix="run the same command again: it resumes from the newest checkpoint",
        failure_class=FailureClass.INTERRUPTED,
        name="training_interrupted",
        progress=reached,
    )


def _the_log(job: Job) -> str:
    return f"the log: {job.directory}/training.log on {job.volume.name}"


def _last_words(job: Job) -> str:
    """The error a training ended with before it could write a result; empty when it was killed."""
    path = f"{job.directory}/training.log"
    if not job.volume.exists(path):
        return ""
    lines = job.volume.read_bytes(path).decode(errors="replace").splitlines()
    ending = itertools.takewhile(lambda line: LOG_LINE not in line, reversed(lines))
    return next((line.removeprefix("error: ") for line in ending if ERROR.match(line)), "")
