"""train_…: a declared training, launched once, followed until it ends, judged by its gates."""

from pydantic import BaseModel

from actions.carried import ending_of, given_up, interrupted, the_log, unfinished
from actions.following import Launching, launch_and_follow
from actions.metering import meter_of
from actions.ports import is_accepted, ports_of
from actions.rates import PROVING, cost_on
from actions.trained.job import (
    Job,
    NotYet,
    TrainedContext,
    needed_job,
    sought,
)
from actions.trained.names import Names, Part, after_of, prepares
from actions.trained.outcome import outcome_of
from actions.trained.parameters import TrainedParameters
from agents.declare.actions import Cost, Meter
from agents.declare.facts import Condition, Reading
from agents.declare.outcome import Outcome
from agents.errors import ActionFailed, FailureClass, Permanent
from training.compute.port import TrainingStatus
from training.compute.recipe import Hardware
from training.declare.order import hardware_of, making_hardware
from training.declare.training import Training
from training.runner.ending import Ending

__all__ = ["LEAST_MB", "Train", "cost_of", "hardware_for", "seconds_of", "train_job"]

LEAST_MB = 100.0
"""Free space without which no training is started: nobody knows how large a checkpoint will be."""

START_SECONDS, STEP_SECONDS = 10.0, 0.1
"""What a training is expected to take before one was measured; the ledger knows better after it."""


def seconds_of(params: TrainedParameters) -> float:
    """About how long all trainings of a goal take together."""
    return sum(_seconds(each, params.settings_of(each)) for each in params.chain)


def hardware_for(params: TrainedParameters) -> tuple[Hardware, ...]:
    """What each step of a goal runs on: proofs, commands that make data, trainings."""
    trainings = (hardware_of(each, params.gpu) for each in params.chain)
    makers = (making_hardware(each) for each in params.chain)
    return tuple(dict.fromkeys((PROVING, *makers, *trainings)))


def cost_of(params: TrainedParameters, training: Training, settings: BaseModel) -> Cost:
    """What training with some settings is expected to take; nothing to pay on this machine."""
    hardware = hardware_of(training, params.gpu)
    return cost_on(params.compute, hardware, _seconds(training, settings))


def _seconds(training: Training, settings: BaseModel) -> float:
    steps = dict(settings).get(training.target or "", 0)
    return START_SECONDS + STEP_SECONDS * (steps if isinstance(steps, int | float) else 0)


class Train(Part):
    """What training one declaration needs, makes true, costs and does."""

    def needs(self, params: TrainedParameters) -> tuple[Condition, ...]:
        """What it comes after, what it runs in, and that no failure of it stands."""
        names, fact = Names(self.training.name), self.facts
        kinds = (
            "image",
            *(("data",) if prepares(self.training) else ()),
            "fits",
            "finite",
            "sound",
        )
        wanted = ("auth_valid", *after_of(self.training), *(names.fact(kind) for kind in kinds))
        room = (fact.free_mb >= LEAST_MB,) if params.compute == "local" else ()
        return (*(fact[each] == True for each in wanted), *room)  # noqa: E712

    def effect(self, _params: TrainedParameters) -> tuple[Condition, ...]:
        """Trained; what was committed, tidy and documented is not any more."""
        undone = (self.fact("committed"), self.fact("pruned"), self.facts.documented)
        return self.holds("trained"), *(~each for each in undone)

    def cost(self, params: TrainedParameters) -> Cost:
        """By its steps, where it says them; nothing to pay on this machine."""
        return cost_of(params, self.training, params.settings_of(self.training))

    def account(self, context: TrainedContext) -> str:
        """The training key: whoever trains the same again finds what was spent on it."""
        job = sought(context, self.training) if is_accepted(context) else None
        return job.key if isinstance(job, Job) else ""

    def meter(self, context: TrainedContext) -> Meter | None:
        """What it used so far; None while nobody knows which training it is."""
        job = sought(context, self.training) if is_accepted(context) else None
        return meter_of(context, job) if isinstance(job, Job) else None

    def recall(self, context: TrainedContext) -> Outcome | None:
        """The outcome of a training that reached its end while nobody followed it."""
        job = sought(context, self.training)
        ending = job.ending() if isinstance(job, Job) else None
        if not isinstance(job, Job) or ending is None or not ending.passed or not job.holds(ending):
            return None
        return outcome_of(job, ending, ports_of(context).compute)

    def look(self, context: TrainedContext) -> Reading:
        """Whether it reached its end and passed its gates of now."""
        job = sought(context, self.training)
        if isinstance(job, NotYet):
            return Reading(False, job.why)
        ending = ending_of(context, job)
        if ending is None:
            return unfinished(context, job)
        if ending.status != "completed":
            of = "" if ending.target_step is None else f" of {ending.target_step:,}"
            said = f"training {job.key} {ending.status} at step {ending.step:,}{of}"
            return Reading(False, said)
        failed = [gate.name for gate in ending.gates if not gate.passed]
        if failed:
            return Reading(False, f"training {job.key} failed its gates: {', '.join(failed)}")
        if not job.holds(ending):
            return Reading(False, f"the checkpoint of training {job.key} is gone from the volume")
        loss = ending.numbers.get("loss_final")
        shown = "" if loss is None else f", loss {loss:.4g}"
        gates = ", gates passed" if ending.gates else ""
        return Reading(True, f"training {job.key}: step {ending.step:,}{shown}{gates}")

    def run(self, context: TrainedContext) -> Outcome:
        """Bring it to its end, whoever began it; what it was, measured."""
        return train_job(context, needed_job(context, self.training))


def train_job(context: TrainedContext, job: Job) -> Outcome:
    """Bring one training to its end, whoever began it; what it was, measured.

    Raises:
        ActionFailed: It ended before its last step.
    """
    compute, ending = ports_of(context).compute, job.ending()
    if ending is not None and ending.status == "completed":
        if job.holds(ending):
            context.note(f"training {job.key} is finished already; nothing is launched")
            return outcome_of(job, ending, compute)
        context.note(f"the checkpoint of training {job.key} is gone; training goes on")
        job.directory.forget_result()
    params = context.params
    hardware = hardware_of(job.training, params.gpu, params.queue_timeout)
    launching = Launching(job.order, job.source, hardware, params.slice_seconds)
    status = launch_and_follow(context, job, launching)
    ending = status.ending if status.ending is None else job.judged(status.ending)
    if ending is not None and status.state == "completed":
        return outcome_of(job, ending, compute)
    raise _failure(job, status, ending)


def _failure(job: Job, status: TrainingStatus, ending: Ending | None) -> ActionFailed:
    """What a training that ended early says, as a failure the engine can plan from."""
    reached = f"step {status.step or 0}"
    if (ended := given_up(job, status)) is not None:
        return ended
    # an attempt that was killed leaves the ending of the one before it, which says nothing about it
    if status.state == "failed" and ending is not None and ending.failure is not None:
        failure, tail = ending.failure, "".join(f"\n  | {line}" for line in ending.log_tail)
        return ActionFailed(
            f"training {job.key} stopped at step {ending.step}: {failure.message}{tail}",
            fix="; ".join(filter(None, (failure.fix, the_log(job)))),
            failure_class=FailureClass(str(failure.failure_class)),
            name=failure.name,
            progress=reached,
        )
    if status.said:
        return ActionFailed(
            f"training {job.key} broke off at {reached}: {status.said}",
            fix=the_log(job),
            name="training_broke_off",
        )
    if status.state == "absent":
        return Permanent(
            f"training {job.key} ended before it began", fix=the_log(job), name="never_began"
        )
    return interrupted(job, reached)
