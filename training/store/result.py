"""How a training ended: `Result`, kept as ``verdict.json``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from training.errors import FailureClass

__all__ = [
    "CheckpointRef",
    "DatasetRef",
    "Failure",
    "FileRef",
    "Result",
    "Verdict",
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetRef(_Record):
    """The dataset a training saw."""

    name: str
    kind: Literal["folder", "pets", "synthetic"]
    digest: str
    images: int
    classes: int
    skipped: int


class Failure(_Record):
    """Why a training ended early."""

    failure_class: FailureClass
    name: str
    message: str
    step: int


class Verdict(_Record):
    """What a gate gave: the measured value against its threshold."""

    name: str
    metric: str
    threshold: float
    direction: Literal[">=", "<="]
    value: float
    passed: bool


class CheckpointRef(_Record):
    """A checkpoint, by its path below the volume; `sha256` is that of its manifest."""

    path: str
    step: int
    sha256: str


class FileRef(_Record):
    """A file, by its path below the volume."""

    path: str
    sha256: str


class Result(_Record):
    """How a training ended; written whole at every end, also an early one."""

    training_key: str
    model: str
    preset: str
    dataset: DatasetRef
    status: Literal["completed", "interrupted", "failed"]
    step: int
    target_step: int
    failure: Failure | None = None
    metrics: dict[str, float] = {}
    gates: list[Verdict] = []
    checkpoint: CheckpointRef | None = None
    samples: FileRef | None = None
    seconds: float  # all attempts together
    images_per_second: float
    device: str
    dtype: str
    threads: int
    attempts: int
    started: str  # ISO 8601, UTC
    ended: str
    config_digest: str
    source_digest: str
    torch: str

    @property
    def passed(self) -> bool:
        """True when the target was reached and every gate holds."""
        return (
            self.status == "completed"
            and self.step >= self.target_step
            and all(gate.passed for gate in self.gates)
        )
