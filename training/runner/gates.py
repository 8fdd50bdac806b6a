"""A gate: a threshold that a finished training has to reach; and what it gave."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Direction", "Gate", "Verdict"]

Direction: TypeAlias = Literal["<=", ">="]


@dataclass(frozen=True)
class Verdict:
    """What a gate gave: the measured value against its threshold; NaN where one was not measured.

    Attributes:
        threshold: As a number, also where the gate names a measurement.
    """

    name: str
    metric: str
    direction: Direction
    threshold: float
    value: float
    passed: bool


@dataclass(frozen=True)
class Gate:
    """A threshold that a finished training has to reach.

    Attributes:
        metric: The measurement that is compared: a name in ``result.json``, or in the last rows.
        direction: On which side of the threshold it has to be: "<=" or ">=".
        threshold: The limit: a number, or the name of another measurement.
        name: What it is called in logs and records; by default the metric.

    Raises:
        ValueError: The direction is another one, or the threshold is not finite.
    """

    metric: str
    direction: Direction
    threshold: float | str
    name: str = ""

    def __post_init__(self) -> None:
        if self.direction not in ("<=", ">="):
            raise ValueError(f'Gate({self.metric!r}): direction is "<=" or ">="')
        limit: object = self.threshold
        if not isinstance(limit, str | float | int) or isinstance(limit, bool):
            raise ValueError(f"Gate({self.metric!r}): threshold {limit!r} is no number")  # noqa: TRY004
        if not isinstance(limit, str) and not math.isfinite(limit):
            raise ValueError(f"Gate({self.metric!r}): threshold {limit} is not finite")

    def verdict(self, numbers: Mapping[str, float]) -> Verdict:
        """What the gate gives; NaN and a measurement that was never made do not pass."""
        value = numbers.get(self.metric, math.nan)
        limit = self.threshold
        threshold = numbers.get(limit, math.nan) if isinstance(limit, str) else float(limit)
        passed = value <= threshold if self.direction == "<=" else value >= threshold
        return Verdict(
            self.name or self.metric, self.metric, self.direction, threshold, value, passed
        )
