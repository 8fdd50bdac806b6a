"""Recoveries: how the next attempt of a declared training differs from the one that failed."""

import dataclasses
from dataclasses import dataclass

from actions.carried import (
    COLLAPSED,
    DIVERGED,
    OUT_OF_MEMORY,
    SMALLEST_SCALE,
    adjusted_of,
    answered,
    ending_of,
    forget_after,
)
from actions.ports import translated
from actions.trained.job import Job, TrainedContext, needed_job, sought
from actions.trained.names import Part
from agents.declare.facts import Condition, Reading
from agents.declare.outcome import Outcome
from agents.errors import ActionFailed, FailureClass, Permanent
from training.declare.order import hardware_of
from training.declare.training import Training
from training.runner.adjust import Adjusted
from training.runner.ending import Ending
from training.store.distant import checkpoints_of

__all__ = ["Halve", "RollBack", "Sound"]


def _failed(context: TrainedContext, training: Training) -> tuple[Job, Ending] | None:
    """A training whose last attempt failed, and how."""
    job = sought(context, training)
    ending = ending_of(context, job) if isinstance(job, Job) else None
    if not isinstance(job, Job) or ending is None or ending.failure is None:
        return None
    return (job, ending) if ending.status == "failed" else None


def _answered(
    context: TrainedContext, training: Training, names: tuple[str, ...], fine: str
) -> Reading:
    job = sought(context, training)
    return answered(context, job if isinstance(job, Job) else None, names, fine)


@dataclass(frozen=True)
class Sound:
    """Whether the loss of one training collapsed: trying again cannot help.

    Attributes:
        training: The declaration.
    """

    training: Training

    def look(self, context: TrainedContext) -> Reading:
        """False for ever when it did."""
        failed = _failed(context, self.training)
        if failed is not None and failed[1].failure is not None:
            (job, ending), failure = failed, failed[1].failure
            if failure.name == COLLAPSED:
                return Reading(
                    False,
                    f"training {job.key} stopped at step {ending.step}: {failure.message}; "
                    "change the settings, the data or the source",
                )
        return Reading(True, "no loss collapsed")


class Halve(Part):
    """After running out of memory: half as much at once, where a setting says how much."""

    def effect(self, _params: object) -> tuple[Condition, ...]:
        """It may fit now."""
        return (self.holds("fits"),)

    def look(self, context: TrainedContext) -> Reading:
        """False after an attempt ran out of memory, until less was asked for at once.

        Where nothing can be halved, only a person can make room: that they ask again says that
        they may have. So does another GPU.
        """
        reading = _answered(
            context, self.training, (OUT_OF_MEMORY,), "no attempt ran out of memory"
        )
        failed = _failed(context, self.training)
        if reading.value is True or failed is None:
            return reading
        job, ending = failed
        if self._now(job, adjusted_of(context, job)) <= 1:
            return Reading(True, f"{reading.evidence}; there is nothing to halve")
        if ending.gpu and ending.gpu not in hardware_of(self.training, context.params.gpu).gpu:
            return Reading(True, f"{reading.evidence}; on {ending.gpu}, which is not asked for now")
        return reading

    @staticmethod
    def _now(job: Job, adjusted: Adjusted) -> int:
        """How much is asked for at once; 1 where nothing says it."""
        declared = job.order.settings.get(job.order.micro_batch or "")
        return adjusted.micro_batch or (declared if isinstance(declared, int) else 1)

    def run(self, context: TrainedContext) -> Outcome:
        """Halve the declared setting for the attempts to come."""
        job, ending = _needed(context, self.training)
        setting = job.order.micro_batch
        now = job.adjusted()
        current = self._now(job, now)
        if setting is None or current <= 1:
            raise Permanent(
                f"{self.training.name} does not fit into memory with the least {setting}=1",
                fix="make the model smaller, or train it on a larger machine (gpu=)",
                name=OUT_OF_MEMORY,
            )
        half = dataclasses.replace(now, after_attempt=ending.attempts, micro_batch=current // 2)
        job.adjust(half)
        return Outcome(summary=f"{setting} {current} → {current // 2}, in the same training")


class RollBack(Part):
    """After the loss diverged: back to a good checkpoint, at half the rate if one is declared."""

    def effect(self, _params: object) -> tuple[Condition, ...]:
        """The next attempt may stay finite."""
        return (self.holds("finite"),)

    def look(self, context: TrainedContext) -> Reading:
        """False after an attempt diverged, until it was rolled back."""
        return _answered(context, self.training, DIVERGED, "no attempt diverged")

    def run(self, context: TrainedContext) -> Outcome:
        """Delete the checkpoints that led to the failure, and lower the rate."""
        job, ending = _needed(context, self.training)
        now = job.adjusted()
        scale = now.learning_rate_scale
        if job.order.learning_rate is not None:
            scale /= 2
        if scale < SMALLEST_SCALE or (job.order.learning_rate is None and now.rolled_back):
            raise _hopeless(job, now.learning_rate_scale)
        with translated():
            kept = _forget_what_led_there(context, job, ending.step)
            job.adjust(
                dataclasses.replace(
                    now,
                    after_attempt=ending.attempts,
                    learning_rate_scale=scale,
                    rolled_back=now.rolled_back + 1,
                )
            )
        rate = "" if job.order.learning_rate is None else f", {job.order.learning_rate} x {scale:g}"
        return Outcome(summary=f"back to step {kept:,}{rate}")


def _hopeless(job: Job, scale: float) -> ActionFailed:
    if job.order.learning_rate is None:
        return Permanent(
            f"training {job.key} diverged again after it was rolled back",
            fix="look at the data and at training.log; learning_rate= of the declaration names "
            "the setting that a recovery may lower",
            name="diverged_again",
        )
    return ActionFailed(
        f"training {job.key} diverges even at {scale:g} of its {job.order.learning_rate}",
        fix="look at the data and at training.log; then change the settings or the source",
        failure_class=FailureClass.NUMERIC,
        name="diverged_at_every_rate",
    )


def _forget_what_led_there(context: TrainedContext, job: Job, failed_at: int) -> int:
    """Delete the checkpoints of the last steps before a failure; the step of the newest that stays.

    How far a bad step reaches back nobody knows: half of what lies between two checkpoints.
    """
    there = checkpoints_of(job.directory, job.order)
    steps = list(there)
    between = steps[-1] - steps[-2] if len(steps) > 1 else max(steps, default=0)
    return forget_after(context, job, there, failed_at - between // 2)


def _needed(context: TrainedContext, training: Training) -> tuple[Job, Ending]:
    job = needed_job(context, training)
    ending = job.ending()
    if ending is None or ending.failure is None:
        raise Permanent("there is no failed training to adjust", name="nothing_failed")
    return job, ending
