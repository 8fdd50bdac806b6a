"""The training a goal asks for: its order, made of its configuration and of its dataset."""

from dataclasses import dataclass
from typing import TypeAlias

from actions.carried import Carried
from actions.ports import ports_of, translated
from agents.declare.actions import Context
from goals.parameters import TrainingParameters
from training.data.shard import DatasetManifest
from training.data.sources import is_current, prepared_of
from training.errors import DatasetError
from training.learn.config import TrainingConfig
from training.own import order_of
from training.store.directory import TrainingDirectory

__all__ = [
    "Job",
    "TrainingContext",
    "job_of",
    "job_with",
    "manifest_of",
]

TrainingContext: TypeAlias = Context[TrainingParameters]
"""What sensors and actions of a goal are given that trains something."""


@dataclass(frozen=True)
class Job(Carried):
    """The training that a goal asks for: where it is, and what it is made of now.

    Attributes:
        config: All settings, as they are asked for now.
        kind: What the photos are.
    """

    config: TrainingConfig
    kind: str

    @property
    def model(self) -> str:
        """Which kind of model."""
        return self.config.model


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
