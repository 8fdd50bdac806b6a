"""The training a goal asks for: its order, made of its configuration and of its dataset."""

from dataclasses import dataclass
from typing import TypeAlias

from actions.ports import ports_of, translated
from agents.declare.actions import Context
from goals.parameters import TrainingParameters
from training.data.shard import DatasetManifest
from training.data.sources import is_current, prepared_of
from training.errors import DatasetError
from training.learn.config import TrainingConfig
from training.own import order_of
from training.runner.adjust import Adjusted
from training.runner.ending import Ending
from training.runner.order import Order
from training.store.directory import TrainingDirectory
from training.store.volume import Volume

__all__ = [
    "Job",
    "TrainingContext",
    "adjusted_of",
    "ending_of",
    "job_of",
    "job_with",
    "manifest_of",
]

TrainingContext: TypeAlias = Context[TrainingParameters]
"""What sensors and actions of a goal are given that trains something."""


@dataclass(frozen=True)
class Job:
    """The training that a goal asks for: where it is, and what it is made of now.

    Attributes:
        directory: Everything that it has on the volume.
        order: What is trained, judged by the thresholds of now.
        config: All settings, as they are asked for now.
        kind: What the photos are.
    """

    directory: TrainingDirectory
    order: Order
    config: TrainingConfig
    kind: str

    @property
    def key(self) -> str:
        """The training key."""
        return self.order.key

    @property
    def model(self) -> str:
        """Which kind of model."""
        return self.config.model

    @property
    def volume(self) -> Volume:
        """Where it writes."""
        return self.directory.volume

    def ending(self) -> Ending | None:
        """How the last attempt ended, read from the volume; None before the first end.

        A training that reached its end is judged from its measurements by the thresholds of now.

        Raises:
            ActionFailed: The file is there and cannot be understood.
        """
        with translated():
            ending = self.directory.read_ending()
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


def ending_of(context: TrainingContext, job: Job) -> Ending | None:
    """How a training's last attempt ended, read once for all sensors of one look.

    Raises:
        ActionFailed: The file is there and cannot be understood.
    """
    ending: Ending | None = context.once(f"ending {job.key}", job.ending)
    return ending


def adjusted_of(context: TrainingContext, job: Job) -> Adjusted:
    """What a recovery changed, read once for all sensors of one look."""
    adjusted: Adjusted = context.once(f"adjustments {job.key}", job.adjusted)
    return adjusted


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
        order = order_of(config, manifest, params.execution())
    directory = TrainingDirectory(ports_of(context).volume, order.key)
    return Job(directory, order, config, manifest.kind)
