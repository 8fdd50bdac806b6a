"""What recovery changed for the next attempt: ``adjustments.json``.

The training key stays the same: an adjustment says how to get there, not where.
"""

import json

from pydantic import Field, ValidationError

from training.errors import ConfigError
from training.learn.config import Execution
from training.store.directory import TrainingDirectory

__all__ = ["Adjustments", "adjust", "adjustments_of", "read_adjustments", "write_adjustments"]


class Adjustments(Execution):
    """How the next attempt runs, and which failed attempt that is the answer to."""

    after_attempt: int = Field(0, ge=0, description="the failed attempt this answers")


def read_adjustments(directory: TrainingDirectory) -> Adjustments | None:
    """How to run the next attempt of a training; None where nothing is said.

    Raises:
        ConfigError: The file is there and cannot be understood.
    """
    stored = directory.read(directory.adjustments_name)
    if stored is None:
        return None
    try:
        return Adjustments.model_validate_json(stored)
    except ValidationError as error:
        name = directory.adjustments_name
        raise ConfigError(
            f"{name} on {directory.volume.name} cannot be read: {error.errors()[0]['msg']}",
            fix=f"delete it: rm {name}",
        ) from error


def write_adjustments(directory: TrainingDirectory, execution: Execution) -> None:
    """Keep how the next attempt runs."""
    text = json.dumps(execution.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
    directory.volume.write_bytes(directory.adjustments_name, text.encode())


def adjustments_of(stored: Adjustments | None, default: Execution | None = None) -> Adjustments:
    """What was adjusted, over what the user asked for.

    Whether and where metrics are shown is the user's alone.
    """
    asked = (default or Execution()).model_dump(exclude_none=True)
    kept = {} if stored is None else stored.model_dump(exclude_none=True, exclude={"track"})
    return Adjustments.model_validate({**asked, **kept})


def adjust(directory: TrainingDirectory, *, attempts: int, **changes: float | None) -> Adjustments:
    """Change how the next attempt runs, in answer to the failure of attempt ``attempts``."""
    now = adjustments_of(read_adjustments(directory)).model_dump()
    adjusted = Adjustments.model_validate({**now, **changes, "after_attempt": attempts})
    write_adjustments(directory, adjusted)
    return adjusted
