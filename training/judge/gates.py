"""What stops a training at once, and what decides at its end whether it is any good."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from training.errors import LossCollapsed, LossDiverged, LossNotFinite
from training.learn.config import TrainingConfig
from training.store.result import Verdict

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


@dataclass(frozen=True)
class Gate:
    """A threshold that a finished training has to reach.

    Attributes:
        name: What it is called in logs and records.
        metric: The measurement that is compared.
        direction: On which side of the threshold the measurement has to be.
        threshold: The limit itself.
    """

    name: str
    metric: str
    direction: Literal[">=", "<="]
    threshold: float

    def verdict(self, metrics: Mapping[str, float]) -> Verdict:
        """What the gate gives; NaN and a measurement that was never made do not pass."""
        value = metrics.get(self.metric, math.nan)
        passed = value >= self.threshold if self.direction == ">=" else value <= self.threshold
        return Verdict(
            name=self.name,
            metric=self.metric,
            threshold=self.threshold,
            direction=self.direction,
            value=value,
            passed=passed,
        )


def gates_of(config: TrainingConfig, metrics: Mapping[str, float]) -> tuple[Gate, ...]:
    """The gates that a configuration asks for; some thresholds depend on what was measured."""
    differs = Gate("average_differs", "average_distance", ">=", 1e-6)
    if config.model == "classifier":
        chance, count = metrics.get("chance", math.nan), metrics.get("held_out", math.nan)
        # Two standard errors of a guess: what luck reaches once in forty trainings.
        luck = 2 * math.sqrt(chance * (1 - chance) / count)
        above = Gate("better_than_chance", "accuracy", ">=", min(1.0, chance + luck))
        return (Gate("loss_fell", "loss_ratio", "<=", 0.95), differs, above)
    gates = (
        Gate("loss_fell", "validation_ratio", "<=", 0.7),
        differs,
        Gate("samples_not_noise", "sample_correlation", ">=", MINIMUM_CORRELATION),
    )
    if "thumbnail_distance" not in metrics:
        return gates  # no samples were asked for
    limit = metrics["thumbnail_distance_photos"] + (
        config.judged_share * metrics["thumbnail_distance_noise"]
    )
    return (*gates, Gate("samples_like_photos", "thumbnail_distance", "<=", limit))


def verdicts_of(config: TrainingConfig, metrics: Mapping[str, float]) -> list[Verdict]:
    """What the gates of a configuration give for these measurements.

    Thresholds are in no training key: a finished training is judged again by those of now, from
    what was measured then.
    """
    return [gate.verdict(metrics) for gate in gates_of(config, metrics)]
