"""The training a goal asks for: its configuration, its dataset and its key."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from actions.ports import ports_of
from agents.declare.actions import Context
from agents.errors import ActionFailed, FailureClass
from goals.parameters import TrainingParameters
from training.data.origin import dataset_name, origin_of
from training.data.shard import DatasetManifest
from training.errors import DatasetError
from training.key import source_digest, training_key
from training.learn.config import TrainingConfig
from training.store.manifest import MANIFEST_FILE
from training.store.result import Result
from training.store.volume import Volume

__all__ = ["Job", "TrainingContext", "is_current", "job_of", "job_with", "manifest_of"]

TrainingContext: TypeAlias = Context[TrainingParameters]
"""What sensors and actions of a goal are given that trains something."""


@dataclass(frozen=True)
class Job:
    """One training, identified by its key."""

    key: str
    model: str
    config: TrainingConfig
    dataset: DatasetManifest
    volume: Volume

    @property
    def directory(self) -> str:
        """Where the training writes, below the volume."""
        return f"trainings/{self.key}"

    @property
    def checkpoints(self) -> str:
        """Where its checkpoints are, below the volume."""
        return f"checkpoints/{self.model}/{self.key}"

    @property
    def result_path(self) -> str:
        """Where the last attempt says how it ended."""
        return f"{self.directory}/result.json"

    def result(self) -> Result | None:
        """How the last attempt ended, read from the volume; None before the first end.

        Raises:
            ActionFailed: The file is there and cannot be understood.
        """
        if not self.volume.exists(self.result_path):
            return None
        try:
            return Result.model_validate_json(self.volume.read_bytes(self.result_path))
        except ValidationError as error:
            raise ActionFailed(
                f"{self.result_path} on {self.volume.name} cannot be read: "
                f"{error.errors()[0]['msg']}",
                fix="delete it; checkpoints are kept, and the next run continues from them",
                failure_class=FailureClass.PERMANENT,
                name="damaged_record",
            ) from error

    def holds_checkpoint(self, result: Result) -> bool:
        """Whether the checkpoint a result names is on the volume."""
        checkpoint = result.checkpoint
        return checkpoint is not None and self.volume.exists(f"{checkpoint.path}/{MANIFEST_FILE}")

    def forget_result(self) -> None:
        """Take back a result whose checkpoint is gone or damaged: it is not true any more.

        The next attempt goes on from the newest valid checkpoint.
        """
        self.volume.remove(self.result_path)

    def local_root(self) -> Path | None:
        """The volume's directory when it is on this machine."""
        return self.volume.local_root


def manifest_of(context: TrainingContext) -> DatasetManifest | None:
    """The manifest of the dataset the parameters ask for; None without one that can be read."""
    params, volume = context.params, ports_of(context).volume
    name = dataset_name(params.dataset, params.config().image_size)
    path = f"datasets/{name}/manifest.json"
    if not volume.exists(path):
        return None
    try:
        return DatasetManifest.model_validate_json(volume.read_bytes(path))
    except ValidationError:
        return None


def is_current(manifest: DatasetManifest, source: str) -> bool:
    """Whether the dataset was made from the photos as they are now; no photo is read.

    Raises:
        DatasetError: The folder is gone.
    """
    origin = origin_of(source)
    return (manifest.kind, manifest.source, manifest.source_fingerprint) == (
        origin.kind,
        origin.name,
        origin.fingerprint(),
    )


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
    key = training_key(config, manifest.digest, source_digest())
    return Job(key, params.model, config, manifest, ports_of(context).volume)
