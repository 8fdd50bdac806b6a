"""What recovery changed for the next attempt: ``trainings/<key>/adjustments.json``.

The training key stays the same: an adjustment says how to get there, not where.
"""

import json
from pathlib import Path

from pydantic import Field, ValidationError

from training.errors import ConfigError
from training.learn.config import Execution
from training.store.durable import write_whole
from training.store.result import TrainingDirectory
from training.store.volume import Volume

__all__ = ["Adjustments", "adjust", "adjustments_of", "read_adjustments", "write_adjustments"]


class Adjustments(Execution):
    """How the next attempt runs, and which failed attempt that is the answer to."""

    after_attempt: int = Field(0, ge=0, description="the failed attempt this answers")


def read_adjustments(directory: TrainingDirectory) -> Execution:
    """How to run the next attempt of a training on this machine; defaults where nothing is said.

    Raises:
        ConfigError: The file is there and cannot be understood.
    """
    path = directory.adjustments_path
    return _parse(path.read_bytes(), path) if path.exists() else Execution()


def write_adjustments(directory: TrainingDirectory, execution: Execution) -> None:
    """Keep how the next attempt runs."""
    write_whole(directory.adjustments_path, _text(execution))


def adjustments_of(volume: Volume, key: str, default: Execution | None = None) -> Adjustments:
    """The adjustments on the volume, over what the user asked for.

    Whether and where metrics are shown is the user's alone.
    """
    asked = (default or Execution()).model_dump(exclude_none=True)
    path = f"trainings/{key}/adjustments.json"
    if not volume.exists(path):
        return Adjustments.model_validate(asked)
    stored = _parse(volume.read_bytes(path), Path(path))
    kept = stored.model_dump(exclude_none=True, exclude={"track"})
    return Adjustments.model_validate({**asked, **kept})


def adjust(volume: Volume, key: str, *, attempts: int, **changes: float | None) -> Adjustments:
    """Change how the next attempt runs, in answer to the failure of attempt ``attempts``."""
    now = adjustments_of(volume, key).model_dump()
    adjusted = Adjustments.model_validate({**now, **changes, "after_attempt": attempts})
    volume.write_bytes(f"trainings/{key}/adjustments.json", _text(adjusted).encode())
    return adjusted


def _parse(content: bytes, path: Path) -> Adjustments:
    try:
        return Adjustments.model_validate_json(content)
    except ValidationError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.errors()[0]['msg']}", fix=f"rm {path}"
        ) from error


def _text(execution: Execution) -> str:
    return json.dumps(execution.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
