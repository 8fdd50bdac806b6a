"""What a recovery changed for the next attempt: ``adjustments.json`` (format 2).

The training key stays the same: an adjustment says how to get there, not where.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.errors import ConfigError
from training.runner.order import Order

__all__ = ["FORMAT", "Adjusted", "adjusted_settings", "read_adjusted"]

FORMAT: Final = 2


@dataclass(frozen=True)
class Adjusted:
    """How the next attempt differs from what was declared.

    Attributes:
        micro_batch: In place of the setting that the order names; None: as it is.
        learning_rate_scale: What the setting that the order names is multiplied by.
        after_attempt: The failed attempt that this answers.
        rolled_back: How often checkpoints were deleted to go back.
    """

    micro_batch: int | None = None
    learning_rate_scale: float = 1.0
    after_attempt: int = 0
    rolled_back: int = 0

    def to_json(self) -> str:
        """The text of ``adjustments.json``."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, content: bytes | None, where: str = "adjustments.json") -> "Adjusted":
        """What a file says; nothing is changed where there is none.

        Raises:
            ConfigError: It cannot be understood.
        """
        if content is None:
            return cls()
        try:
            stored = dict(json.loads(content))
            kind = stored.pop("format", None)
            if kind == FORMAT:
                return cls(**stored)
            if kind is None:  # of a version that kept all of how an attempt ran
                scale, answered = stored.get("lr_scale", 1.0), stored.get("after_attempt", 0)
                return cls(stored.get("micro_batch"), scale, answered)
            problem = "it is of another version"
        except (ValueError, TypeError) as error:
            problem = str(error)
        raise ConfigError(f"{where} cannot be read: {problem}", fix=f"rm {where}")


def read_adjusted(path: Path) -> Adjusted:
    """What a file says; nothing is changed where there is none.

    Raises:
        ConfigError: It cannot be understood.
    """
    return Adjusted.from_json(path.read_bytes() if path.exists() else None, str(path))


def adjusted_settings(order: Order, adjusted: Adjusted) -> Mapping[str, Any]:
    """The settings that the next attempt is given."""
    settings = dict(order.settings)
    if order.micro_batch and adjusted.micro_batch is not None:
        settings[order.micro_batch] = adjusted.micro_batch
    if order.learning_rate and adjusted.learning_rate_scale != 1.0:
        settings[order.learning_rate] *= adjusted.learning_rate_scale
    return settings
