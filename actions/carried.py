"""What every training has that a runner carries: ours, and those that a user declares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from actions.ports import ports_of, translated
from agents.declare.actions import Context
from agents.declare.facts import Reading
from agents.declare.work import Work
from agents.errors import ActionFailed, FailureClass, Unserved
from agents.ledger.events import Event
from agents.ledger.past import endings_of
from agents.ledger.payloads import StepFailed, StepFinished, StepVerified
from training.compute.port import QUEUE_TIMEOUT, TrainingStatus
from training.errors import IMAGE_INCOMPLETE
from training.runner.adjust import Adjusted
from training.runner.ending import Ending
from training.runner.order import Order
from training.store.directory import TrainingDirectory
from training.store.retention import later_than
from training.store.volume import Volume

__all__ = [
    "COLLAPSED",
    "DIVERGED",
    "OUT_OF_MEMORY",
    "SMALLEST_SCALE",
    "Carried",
    "adjusted_of",
    "answered",
    "ending_of",
    "forget_after",
    "given_up",
    "interrupted",
    "is_out",
    "refuted_by",
    "result_of",
    "status_of",
    "the_log",
    "unfinished",
    "work_on",
]

OUT_OF_MEMORY = "out_of_memory"
COLLAPSED = "loss_collapsed"
DIVERGED = ("loss_not_finite", "loss_diverged")

SMALLEST_SCALE = 1 / 8
"""Below an eighth of the rate, a run that still diverges has another cause."""


@dataclass(frozen=True)
class Carried:
    """A training with its key, and where it writes.

    Attributes:
        directory: Everything that it has on the volume.
        order: What is trained, judged by the thresholds of now.
    """

    directory: TrainingDirectory
    order: Order

    @property
    def key(self) -> str:
        """The training key."""
        return self.order.key

    @property
    def volume(self) -> Volume:
        """Where it writes."""
        return self.directory.volume

    @property
    def log_name(self) -> str:
        """Its log, below the volume."""
        return self.directory.log_name

    def ending(self, content: bytes | None = None) -> Ending | None:
        """How the last attempt ended, judged by the thresholds of now; None before the first end.

        Args:
            content: Of its result, where that was read already; empty: there is none.

        Raises:
            ActionFailed: The file is there and cannot be understood.
        """
        with translated():
            ending = None if content == b"" else self.directory.read_ending(content)
        return None if ending is None else self.judged(ending)

    def judged(self, ending: Ending) -> Ending:
        """An ending with what its gates give now, where the training reached its end."""
        return ending.judged(self.order.gates)

    def holds(self, ending: Ending) -> bool:
        """Whether the checkpoint that an ending names is on the volume."""
        return self.directory.holds(ending.checkpoint)

    def adjusted(self) -> Adjusted:
        """What recoveries changed for the next attempt.

        Raises:
            ActionFailed: The file is there and cannot be understood.
        """
        name = self.directory.adjustments_name
        with translated():
            return Adjusted.from_json(self.directory.read(name), name)

    def adjust(self, adjusted: Adjusted) -> None:
        """Change how the next attempt runs."""
        with translated():
            self.volume.write_bytes(self.directory.adjustments_name, adjusted.to_json().encode())


def ending_of(context: Context, job: Carried) -> Ending | None:
    """How a training's last attempt ended, read once for all sensors of one look.

    Raises:
        ActionFailed: The file is there and cannot be understood.
    """
    ending: Ending | None = context.once(
        f"ending {job.key}", lambda: job.ending(result_of(context, job))
    )
    return ending


def result_of(context: Context, job: Carried) -> bytes:
    """The bytes of its result, read once for all sensors of one look; empty without one."""
    content: bytes = context.once(
        f"result {job.key}", lambda: job.directory.read(job.directory.result_name) or b""
    )
    return content


def status_of(context: Context, job: Carried) -> TrainingStatus:
    """How far a training is, asked once for all sensors of one look.

    Raises:
        TrainingError: Nobody answers.
    """
    ask = partial(ports_of(context).compute.status, job.key)
    status: TrainingStatus = context.once(f"status {job.key}", ask)
    return status


def adjusted_of(context: Context, job: Carried) -> Adjusted:
    """What recoveries changed, read once for all sensors of one look."""
    adjusted: Adjusted = context.once(f"adjusted {job.key}", job.adjusted)
    return adjusted


def unfinished(context: Context, job: Carried) -> Reading:
    """What is seen of a training that no attempt of ended yet."""
    if job.directory.read(job.directory.spec_name) is None:
        return Reading(False, f"training {job.key} was never launched")
    status = status_of(context, job)
    if status.at_work:
        said = f"training {job.key} {status.words}, step {status.step or 0}"
        return Reading(False, said, work_on(job, status))
    return Reading(False, f"no result of training {job.key}")


def work_on(job: Carried, status: TrainingStatus) -> Work:
    """What is done for a training now."""
    since = None
    if status.since is not None:
        began = datetime.now(UTC) - timedelta(seconds=status.since)
        since = began.isoformat(timespec="seconds")
    return Work(
        what=job.key,
        state=status.state,
        since=since,
        waits_for=status.waits_for,
        starts=status.starts,
        step=status.step,
    )


def given_up(job: Carried, status: TrainingStatus) -> ActionFailed | None:
    """The failure of a training that was ended because it began again and again, or never did."""
    failure = status.failure
    if failure is None:
        return None
    if failure.name == QUEUE_TIMEOUT:
        return Unserved(failure.message, fix=failure.fix, name=failure.name)
    return ActionFailed(
        f"training {job.key} was given up at step {status.step or 0}: {failure.message}",
        fix="; ".join(filter(None, (failure.fix, the_log(job)))),
        failure_class=FailureClass(str(failure.failure_class)),
        name=failure.name,
    )


def answered(context: Context, job: Carried | None, names: tuple[str, ...], fine: str) -> Reading:
    """False while the last attempt failed with one of the names, and no recovery answered that."""
    ending = ending_of(context, job) if job is not None else None
    failed = ending is not None and ending.status == "failed"
    if job is None or ending is None or not failed or ending.failure is None:
        return Reading(True, fine)
    if ending.failure.name not in names:
        return Reading(True, fine)
    if adjusted_of(context, job).after_attempt >= ending.attempts:
        return Reading(True, f"attempt {ending.attempts} failed; the next one was adjusted")
    return Reading(False, f"training {job.key}: {ending.failure.message}")


def forget_after(
    context: Context, job: Carried, checkpoints: Mapping[int, str], before: int
) -> int:
    """Delete the checkpoints after a step; the step of the newest that stays, or 0.

    Args:
        context: Is told of it first.
        job: The training.
        checkpoints: Each step with the directory of its checkpoint, below the volume.
        before: The last step that stays.
    """
    gone = later_than(checkpoints, before)
    if gone:
        listed = ", ".join(f"{step:,}" for step in gone)
        context.note(f"rolling back {job.key}: delete the checkpoints of steps {listed}")
    for step in gone:
        job.volume.remove(checkpoints[step])
    return max(set(checkpoints) - set(gone), default=0)


def refuted_by(events: Sequence[Event], train: str, build: str) -> str:
    """What a training missed in its image after that was last proven; empty when nothing was.

    A proof that was made anew and refuted again is believed: building a third time would not help.

    Args:
        events: What happened.
        train: The action that trains.
        build: The action that proves its image.
    """
    refuted, rebuilt = "", False
    for event in endings_of(events, train, build):
        match event.payload:
            case StepFailed(action=action, name=name, message=message) if action == train:
                refuted = message if name == IMAGE_INCOMPLETE and not rebuilt else ""
            case StepFinished(action=action) if action == build:
                refuted, rebuilt = "", bool(refuted)
            case StepVerified(action=action) if action == train:
                refuted, rebuilt = "", False
    return refuted


def interrupted(job: Carried, reached: str) -> ActionFailed:
    """What is said of an attempt that was cut off, and of which nothing else is known."""
    return ActionFailed(
        f"training {job.key} was interrupted at {reached}",
        fix="run the same command again: it resumes from the newest checkpoint",
        failure_class=FailureClass.INTERRUPTED,
        name="training_interrupted",
        progress=reached,
    )


def the_log(job: Carried) -> str:
    """Where a person finds its log."""
    return f"the log: {job.log_name} on {job.volume.name}"


def is_out(ending: Ending) -> bool:
    """Whether one candidate of several lost by itself: it cannot learn, or does not fit."""
    failure = ending.failure
    return (
        ending.status == "failed"
        and failure is not None
        and (str(failure.failure_class) == "numeric" or failure.name == OUT_OF_MEMORY)
    )
