"""train: one training, launched once, followed until it ends, and judged by its gates."""

import itertools
import re

from actions.carried import given_up, interrupted, the_log
from actions.following import LOG_LINE, Launching, launch_and_follow
from actions.job import Job, TrainingContext, job_of
from actions.metering import meter_of
from actions.ports import is_accepted, ports_of, translated
from actions.rates import cost_on
from actions.touched import by_training, while_training
from actions.training_cost import disk_mb, training_seconds
from actions.training_outcome import outcome_of
from agents.declare.actions import Meter, action
from agents.declare.facts import Condition, Fact
from agents.declare.outcome import Outcome
from agents.errors import ActionFailed, FailureClass, Permanent
from goals.parameters import TrainingParameters
from goals.world import F
from training.compute.port import TrainingStatus
from training.compute.recipe import Hardware
from training.own import in_processes, own_source
from training.runner.ending import Ending

__all__ = ["hardware_of", "train", "train_job"]

ERROR = re.compile(r"error: |\w+(\.\w+)*(Error|Exception)\b")


def hardware_of(params: TrainingParameters) -> Hardware:
    """What is asked for."""
    return Hardware(gpu=(params.gpu,), queue_timeout=params.queue_timeout)


def _needs(params: TrainingParameters) -> tuple[Fact | Condition, ...]:
    ready = (F.auth_valid, F.image_built, F.dataset_ready, F.fits_memory, F.loss_finite)
    room = (F.free_mb >= disk_mb(params),) if params.compute == "local" else ()
    return (*ready, F.objective_sound, *room)


def _effect(params: TrainingParameters) -> tuple[Condition, ...]:
    # new checkpoints and measurements: what was committed, tidy and documented is not any more
    trained = F[f"{params.model}_trained"] == True  # noqa: E712
    return (trained, ~F.volume_committed, ~F.checkpoints_pruned, ~F.documented)


def _recall(context: TrainingContext) -> Outcome | None:
    """The outcome of a training that reached its end while nobody followed it."""
    job = job_of(context)
    ending = job.ending() if job is not None else None
    if job is None or ending is None or not ending.passed or not job.holds(ending):
        return None
    return outcome_of(job, ending, ports_of(context).compute)


def _account(context: TrainingContext) -> str:
    """The training's key: whoever trains the same again finds what was spent on it."""
    job = job_of(context) if is_accepted(context) else None
    return "" if job is None else job.key


def _touched(context: TrainingContext) -> tuple[str, ...]:
    return while_training(context.params, *by_training(context))


def _meter(context: TrainingContext) -> Meter | None:
    """What it used so far; None while nobody knows which training it is."""
    job = job_of(context) if is_accepted(context) else None
    return None if job is None else meter_of(context, job)


@action(
    needs=_needs,
    effect=_effect,
    cost=lambda params: cost_on(params.compute, hardware_of(params), training_seconds(params)),
    resources={"gpu": 1, "cpu": 1},
    parameters=TrainingParameters,
    recall=_recall,
    account=_account,
    meter=_meter,
    touches=_touched,
)
def train(context: TrainingContext) -> Outcome:
    """Train to the last step on the compute; resumes from the newest valid checkpoint."""
    return train_job(context, _job(context))


def _launching(job: Job, params: TrainingParameters, compute: str) -> Launching:
    # where there are several GPUs, each has a process; this machine is what it is
    _, _, count = params.gpu.partition(":")
    order = job.order if compute == "local" else in_processes(job.order, int(count or 1))
    hardware = hardware_of(params)
    return Launching(order, own_source(), hardware, params.slice_seconds)


def train_job(context: TrainingContext, job: Job) -> Outcome:
    """Bring one training to its end, whoever began it; what it was, measured.

    Raises:
        ActionFailed: It ended before its last step.
    """
    compute, ending = ports_of(context).compute, job.ending()
    if ending is not None and ending.status == "completed" and not job.holds(ending):
        context.note(f"the checkpoint of training {job.key} is gone; training goes on")
        job.directory.forget_result()
    elif ending is not None and ending.status == "completed":
        context.note(f"training {job.key} is finished already; nothing is launched")
        return outcome_of(job, ending, compute)
    with translated():
        launching = _launching(job, context.params, compute.name)
    status = launch_and_follow(context, job, launching)
    ending = job.ending() if status.ending is None else job.judged(status.ending)
    if ending is not None and status.state == "completed":
        return outcome_of(job, ending, compute)
    raise _failure(job, status, ending)


def _job(context: TrainingContext) -> Job:
    job = job_of(context)
    if job is None:
        raise Permanent(
            "the dataset is not on the volume, so there is nothing to train on",
            fix="run the same command again: it prepares the dataset first",
            name="dataset_missing",
        )
    return job


def _failure(job: Job, status: TrainingStatus, ending: Ending | None) -> ActionFailed:
    """What a training that ended early says, as a failure the engine can plan from."""
    reached = f"step {status.step or 0}"
    if (ended := given_up(job, status)) is not None:
        return ended
    # an attempt that was killed leaves the ending of the one before it, which says nothing about it
    if status.state == "failed" and ending is not None and ending.failure is not None:
        failure = ending.failure
        return ActionFailed(
            f"training {job.key} stopped at step {ending.step}: {failure.message}",
            fix=the_log(job),
            failure_class=FailureClass(str(failure.failure_class)),
            name=failure.name,
            progress=reached,
        )
    said = _last_words(job) or status.said
    if said:
        return ActionFailed(
            f"training {job.key} broke off at {reached}: {said}",
            fix=the_log(job),
            name="training_broke_off",
        )
    return interrupted(job, reached)


def _last_words(job: Job) -> str:
    """The error a training ended with before it could write a result; empty when it was killed."""
    content = job.directory.read(job.log_name) or b""
    lines = content.decode(errors="replace").splitlines()
    last = itertools.takewhile(lambda line: LOG_LINE not in line, reversed(lines))
    return next((line.removeprefix("error: ") for line in last if ERROR.match(line)), "")
