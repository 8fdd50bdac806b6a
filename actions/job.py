"""The training a goal asks for: its configuration, its dataset and its key."""

from dataclasses import dataclass
from typing import TypeAlias

from actions.ports import ports_of, translated
from agents.declare.actions import Context
from goals.parameters import TrainingParameters
from training.data.shard import DatasetManifest
from training.data.sources import is_current, prepared_of
from training.errors import DatasetError
from training.judge.gates import verdicts_of
from training.key_parts import spec_of
from training.learn.config import TrainingConfig
from training.store.adjustments import Adjustments, read_adjustments
from training.store.directory import TrainingDirectory
from training.store.result import Result
from training.store.spec import Spec
from training.store.volume import Volume

__all__ = [
    "Job",
    "TrainingContext",
    "adjusted_of",
    "job_of",
    "job_with",
    "manifest_of",
    "result_of",
]

TrainingContext: TypeAlias = Context[TrainingParameters]
"""What sensors and actions of a goal are given that trains something."""


@dataclass(frozen=True)
class Job:
    """The training that a goal asks for: where it is, and what it is made of now."""

    directory: TrainingDirectory
    spec: Spec

    @property
    def key(self) -> str:
        """The training key."""
        return self.spec.key

    @property
    def model(self) -> str:
        """Which kind of model."""
        return self.config.model

    @property
    def config(self) -> TrainingConfig:
        """All settings, as they are asked for now."""
        return self.spec.settings

    @property
    def volume(self) -> Volume:
        """Where it writes."""
        return self.directory.volume

    def result(self) -> Result | None:
        """How the last attempt ended, read from the volume; None before the first end.

        A training that reached its end is judged from its measurements by the thresholds of now.

        Raises:
            ActionFailed: The file is there and cannot be understood.
        """
        with translated():
            return self.judged(self.directory.read_result())

    def judged(self, result: Result | None) -> Result | None:
        """A result with what its gates give now, where the training reached its end."""
        if result is None or result.status != "completed":
            return result
        return result.model_copy(update={"gates": verdicts_of(self.config, result.metrics)})


def manifest_of(context: TrainingContext) -> DatasetManifest | None:
    """What the photos that the parameters ask for were last prepared as; None: not known."""
    manifest: DatasetManifest | None = context.once("manifest", lambda: _manifest(context))
    return manifest


def _manifest(context: TrainingContext) -> DatasetManifest | None:
    size = context.params.config().image_size
    return prepared_of(ports_of(context).volume, context.params.dataset, size)


def job_of(context: TrainingContext) -> Job | None:
    """The training the parameters ask for; None while its dataset, and so its key, is not known."""
    job: Job | None = context.once("job", lambda: _job(context))
    return job


def result_of(context: TrainingContext, job: Job) -> Result | None:
    """How a training's last attempt ended, read once for all sensors of one look.

    Raises:
        ActionFailed: The file is there and cannot be understood.
    """
    result: Result | None = context.once(f"result {job.key}", job.result)
    return result


def adjusted_of(context: TrainingContext, job: Job) -> Adjustments | None:
    """What a recovery changed, read once for all sensors of one look."""

    def read() -> Adjustments | None:
        with translated():
            return read_adjustments(job.directory)

    adjustments: Adjustments | None = context.once(f"adjustments {job.key}", read)
    return adjustments


def _job(context: TrainingContext) -> Job | None:
    return job_with(context, context.params.config())


def job_with(context: TrainingContext, config: TrainingConfig) -> Job | None:
    """The training of a configuration on the photos the parameters ask for."""
    params, manifest = context.params, manifest_of(context)
    try:
        if manifest is None or not is_current(manifest, params.dataset):
            return None
    except DatasetError:
        return None
    with translated():
        spec = spec_of(config, manifest)
    return Job(TrainingDirectory(ports_of(context).volume, spec.key), spec)
