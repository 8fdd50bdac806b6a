"""What a training left behind: `Result`, and the typed directory of one training key.

``<volume>/trainings/<key>/{config.json, metrics.jsonl, training.log, samples/, result.json}``
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import CheckpointError, FailureClass
from training.learn.config import TrainingConfig
from training.store.durable import write_whole

__all__ = [
    "CheckpointRef",
    "DatasetRef",
    "Failure",
    "FileRef",
    "Result",
    "TrainingDirectory",
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


@dataclass(frozen=True)
class TrainingDirectory:
    """The files of one training key below a volume."""

    volume_root: Path
    key: str

    @property
    def path(self) -> Path:
        """Where everything of this training is."""
        return self.volume_root / "trainings" / self.key

    @property
    def config_path(self) -> Path:
        """What is trained, and how this attempt runs."""
        return self.path / "config.json"

    @property
    def metrics_path(self) -> Path:
        """One JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def log_path(self) -> Path:
        """The log in words."""
        return self.path / "training.log"

    @property
    def samples_path(self) -> Path:
        """The directory of sample grids."""
        return self.path / "samples"

    @property
    def result_path(self) -> Path:
        """How the last attempt ended."""
        return self.path / "result.json"

    @property
    def lock_path(self) -> Path:
        """Locked (flock) exactly as long as a training process lives."""
        return self.path / "lock"

    @property
    def owner_path(self) -> Path:
        """Who holds, or last held, the lock."""
        return self.path / "owner.json"

    @property
    def adjustments_path(self) -> Path:
        """What recovery changed for the next attempt."""
        return self.path / "adjustments.json"

    @property
    def attempts_path(self) -> Path:
        """How often this training was started."""
        return self.path / "attempts.json"

    def checkpoints_path(self, model: str) -> Path:
        """The root of this training's `CheckpointStore`."""
        return self.volume_root / "checkpoints" / model / self.key

    def sample_path(self, step: int) -> Path:
        """The grid drawn at `step`."""
        return self.samples_path / f"step-{step:08d}.png"

    def sample_paths(self) -> dict[int, Path]:
        """The grids that are there, by step."""
        return {int(path.stem[5:]): path for path in sorted(self.samples_path.glob("step-*.png"))}

    def read_config(self) -> TrainingConfig | None:
        """The configuration, or None where no training was launched.

        Raises:
            CheckpointError: The file is there and cannot be understood.
        """
        stored = self._read(self.config_path)
        try:
            return None if stored is None else TrainingConfig.model_validate(stored["config"])
        except (KeyError, ValidationError) as error:
            raise self._damaged(self.config_path, "it holds no configuration") from error

    def read_dataset_name(self) -> str | None:
        """The name of the dataset the training was launched with."""
        stored = self._read(self.config_path)
        return None if stored is None else str(stored.get("dataset", ""))

    def write_config(self, config: TrainingConfig, dataset: str) -> None:
        """Keep what is trained, before it is launched."""
        content = {"config": config.model_dump(mode="json"), "dataset": dataset}
        write_whole(self.config_path, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def read_result(self) -> Result | None:
        """The result of the last attempt that ended, or None.

        Raises:
            CheckpointError: The file is there and cannot be understood.
        """
        stored = self._read(self.result_path)
        try:
            return None if stored is None else Result.model_validate(stored)
        except ValidationError as error:
            raise self._damaged(self.result_path, str(error.errors()[0]["msg"])) from error

    def write_result(self, result: Result) -> None:
        """Replace the result in one step."""
        write_whole(self.result_path, result.model_dump_json(indent=2) + "\n")

    @property
    def attempts(self) -> int:
        """How often a training process began work on this key."""
        stored = self._read(self.attempts_path)
        return 0 if stored is None else int(stored["count"])

    def begin_attempt(self) -> int:
        """Count one more attempt, durably; returns its number, from 1.

        The counter lives on the volume because a platform that restarts a lost container does
        not count that as a retry.
        """
        number = self.attempts + 1
        write_whole(self.attempts_path, json.dumps({"count": number}) + "\n")
        return number

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Every whole line of metrics.jsonl, oldest first; a torn last line is passed over."""
        if not self.metrics_path.exists():
            return
        with self.metrics_path.open("rb") as file:
            for line in file:
                row = _row(line)
                if row is not None:
                    yield row

    def last_metrics(self) -> dict[str, Any] | None:
        """The newest whole line that holds a loss, or None."""
        last = None
        for row in self.metrics():
            if "loss" in row:
                last = row
        return last

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise self._damaged(path, str(error)) from error
        if not isinstance(stored, dict):
            raise self._damaged(path, "not an object")
        return stored

    def _damaged(self, path: Path, why: str) -> CheckpointError:
        return CheckpointError(
            f"{path} cannot be read: {why}",
            fix=f"rm {path}; checkpoints are kept, and the next run continues from them",
            code="damaged_record",
        )


def _row(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
