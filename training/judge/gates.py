"""What stops a training at once, and what decides at its end whether it is any good."""

import math
from typing import Literal

from training.errors import LossCollapsed, LossDiverged, LossNotFinite
from training.store.result import Gate

COLLAPSE_RATIO = 1e-4
COLLAPSE_STEPS = 100
"""A loss that falls by four orders of magnitude in a hundred steps has nothing to learn: the target
is its own input.
"""

SMALLEST_SIGNAL = 1e-4
DIVERGENCE_RATIO = 10.0

LOWER_RATE = "resume from the last checkpoint with a lower rate: lr_scale 0.5 in adjustments.json"

MINIMUM_CORRELATION = 0.5
"""Neighbouring pixels of real photos correlate by 0.86 and more, those of noise by 0."""


class LossWatch:
    """Stops a training whose numbers cannot become a model.

    Args:
        start: The first loss, from the checkpoint when a training is resumed.
    """

    def __init__(self, start: float | None = None) -> None:
        self.start = start

    def observe(self, step: int, loss: float, grad_norm: float, signal: float) -> None:
        """Take in the numbers of `step` (from 1), or their means over the steps up to it.

        Raises:
            LossNotFinite: The loss or the gradient is NaN or infinite.
            LossCollapsed: There is nothing to learn.
            LossDiverged: The loss is ten times what it was at the start.
        """
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise LossNotFinite(
                f"loss {loss} and gradient norm {grad_norm} at step {step}",
                fix=LOWER_RATE,
            )
        if self.start is None:
            self.start = loss
        # The target's own power counts too: a loss may be nothing from the very first step.
        floor = COLLAPSE_RATIO * max(self.start, signal)
        if step <= COLLAPSE_STEPS and (loss <= floor or signal < SMALLEST_SIGNAL):
            raise LossCollapsed(
                f"nothing to learn: loss {loss:.3g} at step {step} from {self.start:.3g}, "
                f"target power {signal:.3g}",
                fix="check that the target is not computed from the input alone",
            )
        if loss > DIVERGENCE_RATIO * self.start:
            raise LossDiverged(
                f"loss {loss:.3g} at step {step} is over {DIVERGENCE_RATIO:g} times "
                f"its start {self.start:.3g}",
                fix=LOWER_RATE,
            )


def gate(
    name: str,
    metrics: dict[str, float],
    metric: str,
    direction: Literal[">=", "<="],
    threshold: float,
) -> Gate:
    """Return the gate that compares `metrics[metric]` with the threshold; NaN does not pass."""
    value = metrics[metric]
    passed = value >= threshold if direction == ">=" else value <= threshold
    return Gate(
        name=name,
        metric=metric,
        threshold=threshold,
        direction=direction,
        value=value,
        passed=passed,
    )
