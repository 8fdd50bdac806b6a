"""Sensors of the facts about training; everything is read from the volume."""

from actions.carried import COLLAPSED, DIVERGED, OUT_OF_MEMORY, answered, ending_of, unfinished
from actions.job import Job, TrainingContext, job_of
from agents.declare.actions import Sensor, sensor
from agents.declare.facts import Fact, Reading
from goals.parameters import TrainingParameters
from goals.world import F
from training.runner.ending import Ending

__all__ = ["classifier_trained", "dit_trained", "fits_memory", "loss_finite", "objective_sound"]


def _trained(fact: Fact) -> Sensor:
    @sensor(fact, needs=F.auth_valid, parameters=TrainingParameters, timeout=15)
    def trained(context: TrainingContext) -> Reading:
        job = job_of(context)
        if job is None:
            return Reading(False, "its dataset is not on the volume, so no training has this key")
        return _trained_reading(context, job)

    return trained


dit_trained = _trained(F.dit_trained)
classifier_trained = _trained(F.classifier_trained)


def _trained_reading(context: TrainingContext, job: Job) -> Reading:
    ending = ending_of(context, job)
    if ending is None:
        return unfinished(context, job)
    target = job.config.steps
    if ending.step < target or ending.status != "completed":
        return Reading(
            False, f"training {job.key} {ending.status} at step {ending.step:,} of {target:,}"
        )
    failed = [gate.name for gate in ending.gates if not gate.passed]
    if failed:
        return Reading(False, f"training {job.key} failed its gates: {', '.join(failed)}")
    if not job.holds(ending):
        return Reading(False, f"the checkpoint of training {job.key} is gone from the volume")
    loss = ending.numbers.get("loss_final")
    shown = "" if loss is None else f", loss {loss:.4f}"
    return Reading(True, f"training {job.key}: step {ending.step:,}{shown}, gates passed")


@sensor(F.fits_memory, needs=F.auth_valid, parameters=TrainingParameters, hope=True)
def fits_memory(context: TrainingContext) -> Reading:
    """False after an attempt ran out of memory, until the micro-batch was made smaller."""
    return answered(context, job_of(context), (OUT_OF_MEMORY,), "no attempt ran out of memory")


@sensor(F.loss_finite, needs=F.auth_valid, parameters=TrainingParameters, hope=True)
def loss_finite(context: TrainingContext) -> Reading:
    """False after an attempt diverged, until it was rolled back with a lower rate."""
    return answered(context, job_of(context), DIVERGED, "no attempt diverged")


@sensor(F.objective_sound, needs=F.auth_valid, parameters=TrainingParameters, hope=True)
def objective_sound(context: TrainingContext) -> Reading:
    """False for ever when the loss of this training collapsed: trying again cannot help."""
    job = job_of(context)
    failed = _failed(context, job)
    if job is not None and failed is not None and failed.failure is not None:
        failure = failed.failure
        if failure.name == COLLAPSED:
            return Reading(
                False,
                f"training {job.key} stopped at step {failed.step}: {failure.message}; "
                "change the configuration, the data or the source",
            )
    return Reading(True, "no loss collapsed")


def _failed(context: TrainingContext, job: Job | None) -> Ending | None:
    ending = ending_of(context, job) if job is not None else None
    return ending if ending is not None and ending.status == "failed" else None
