"""Which checkpoints of a training stay: decided here, whoever deletes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Keep"]


@dataclass(frozen=True)
class Keep:
    """What is kept: the newest, the best, each K-th. The newest valid one and pinned ones always.

    Attributes:
        last: So many of the newest.
        best: The measurement by which one more is kept; None: none.
        best_of: Whether the lowest or the highest is best; the newest of equals.
        every: Each multiple of so many steps; 0: none.

    Raises:
        ValueError: Nothing would be kept, or a number is negative.
    """

    last: int = 3
    best: str | None = None
    best_of: Literal["lowest", "highest"] = "lowest"
    every: int = 0

    def __post_init__(self) -> None:
        if self.last < 1 or self.every < 0:
            raise ValueError("Keep: last is at least 1, and every at least 0")
        if self.best_of not in ("lowest", "highest"):
            raise ValueError('Keep: best_of is "lowest" or "highest"')

    def kept(self, checkpoints: Mapping[int, Mapping[str, float]]) -> frozenset[int]:
        """The steps to keep.

        Args:
            checkpoints: Step to what was measured there.

        >>> sorted(Keep(last=1, best="loss", every=40).kept(
        ...     {10: {"loss": 3.0}, 20: {"loss": 1.0}, 40: {}, 50: {"loss": 2.0}}))
        [20, 40, 50]
        """
        steps = sorted(checkpoints)
        kept = set(steps[-self.last :])
        kept |= {step for step in steps if self.every and step % self.every == 0}
        best = self.best_step(checkpoints)
        return frozenset(kept | (set() if best is None else {best}))

    def best_step(self, checkpoints: Mapping[int, Mapping[str, float]]) -> int | None:
        """The step that measured best; None where none measured it, or it is not said by what.

        Args:
            checkpoints: Step to what was measured there.
        """
        sign = 1.0 if self.best_of == "lowest" else -1.0
        scored = [
            (sign * value, -step)
            for step, measured in checkpoints.items()
            if self.best and math.isfinite(value := measured.get(self.best, math.nan))
        ]
        return -min(scored)[1] if scored else None
