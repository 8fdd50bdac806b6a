"""Sensors of the facts about training; everything is read from the volume."""

from actions.job import Job, TrainingContext, adjusted_of, job_of, result_of
from actions.ports import ports_of
from agents.declare.actions import Sensor, sensor
from agents.declare.facts import Fact, Reading
from goals.parameters import TrainingParameters
from goals.world import F
from training.store.adjustments import adjustments_of
from training.store.result import Result

__all__ = ["classifier_trained", "dit_trained", "fits_memory", "loss_finite", "objective_sound"]

OUT_OF_MEMORY = "out_of_memory"
COLLAPSED = "loss_collapsed"
DIVERGED = ("loss_not_finite", "loss_diverged")


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
    result = result_of(context, job)
    if result is None and job.directory.read_spec() is None:
        return Reading(False, f"training {job.key} was never launched")
    if result is None:
        status = ports_of(context).compute.status(job.key)
        if status.state == "running":
            return Reading(False, f"training {job.key} is running, step {status.step or 0}")
        return Reading(False, f"no result of training {job.key}")
    if result.step < result.target_step or result.status != "completed":
        return Reading(
            False,
            f"training {job.key} {result.status} at step {result.step:,} of {result.target_step:,}",
        )
    failed = [gate.name for gate in result.gates if not gate.passed]
    if failed:
        return Reading(False, f"training {job.key} failed its gates: {', '.join(failed)}")
    if not job.directory.holds(result.checkpoint):
        return Reading(False, f"the checkpoint of training {job.key} is gone from the volume")
    loss = result.metrics.get("loss_final")
    shown = "" if loss is None else f", loss {loss:.4f}"
    return Reading(True, f"training {job.key}: step {result.step:,}{shown}, gates passed")


@sensor(F.fits_memory, needs=F.auth_valid, parameters=TrainingParameters, hope=True)
def fits_memory(context: TrainingContext) -> Reading:
    """False after an attempt ran out of memory, until the micro-batch was made smaller."""
    return _no_failure(context, (OUT_OF_MEMORY,), "no attempt ran out of memory")


@sensor(F.loss_finite, needs=F.auth_valid, parameters=TrainingParameters, hope=True)
def loss_finite(context: TrainingContext) -> Reading:
    """False after an attempt diverged, until it was rolled back with a lower rate."""
    return _no_failure(context, DIVERGED, "no attempt diverged")


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
                f"training {job.key} stopped at step {failure.step}: {failure.message}; "
                "change the configuration, the data or the source",
            )
    return Reading(True, "no loss collapsed")


def _no_failure(context: TrainingContext, names: tuple[str, ...], fine: str) -> Reading:
    job = job_of(context)
    failed = _failed(context, job)
    if job is None or failed is None or failed.failure is None or failed.failure.name not in names:
        return Reading(True, fine)
    if adjustments_of(adjusted_of(context, job)).after_attempt >= failed.attempts:
        return Reading(True, f"attempt {failed.attempts} failed; the next one was adjusted")
    return Reading(False, f"training {job.key}: {failed.failure.message}")


def _failed(context: TrainingContext, job: Job | None) -> Result | None:
    result = result_of(context, job) if job is not None else None
    return result if result is not None and result.status == "failed" else None
