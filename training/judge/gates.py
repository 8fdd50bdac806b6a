"""What stops a training at once, and what decides at its end whether it is any good."""

import math
from collections.abc import Mapping

from training.errors import LossCollapsed, LossDiverged, LossNotFinite
from training.learn.config import TrainingConfig
from training.runner.gates import Gate
from training.runner.keep import Keep

COLLAPSE_RATIO = 1e-4
COLLAPSE_STEPS = 100
"""A loss that falls by four orders of magnitude in a hundred steps has nothing to learn: the target
is its own input.
"""

SMALLEST_SIGNAL = 1e-4
DIVERGENCE_RATIO = 10.0

LOWER_RATE = (
    "resume from the last checkpoint with a lower rate: learning_rate_scale 0.5 in adjustments.json"
)

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


def accuracy_by_luck(chance: float, count: int) -> float:
    """What a guess reaches once in forty trainings: two standard errors above its mean."""
    return min(1.0, chance + 2 * math.sqrt(chance * (1 - chance) / count))


def further_than_photos(measured: Mapping[str, float]) -> float:
    """How much further than photos samples are from photos, as a share of noise."""
    beyond = measured["thumbnail_distance"] - measured["thumbnail_distance_photos"]
    return beyond / measured["thumbnail_distance_noise"]


def gates_of(config: TrainingConfig) -> tuple[Gate, ...]:
    """The gates that a configuration asks for.

    Thresholds are in no training key: a finished training is judged again by those of now, from
    what was measured then.
    """
    differs = Gate("average_distance", ">=", 1e-6, "average_differs")
    if config.model == "classifier":
        above = Gate("accuracy", ">=", "accuracy_by_luck", "better_than_chance")
        return (Gate("loss_ratio", "<=", 0.95, "loss_fell"), differs, above)
    gates = (
        Gate("validation_ratio", "<=", 0.7, "loss_fell"),
        differs,
        Gate("sample_correlation", ">=", MINIMUM_CORRELATION, "samples_not_noise"),
    )
    if not config.judged_samples:
        return gates
    return (*gates, Gate("further_than_photos", "<=", config.judged_share, "samples_like_photos"))


def completed(measured: Mapping[str, float]) -> dict[str, float]:
    """Measurements with what earlier versions left to be computed from them."""
    found = dict(measured)
    if "thumbnail_distance" in found and "further_than_photos" not in found:
        found["further_than_photos"] = further_than_photos(found)
    if "chance" in found and "accuracy_by_luck" not in found:
        found["accuracy_by_luck"] = accuracy_by_luck(found["chance"], int(found["held_out"]))
    return found


def keep_of(config: TrainingConfig) -> Keep:
    """Which checkpoints a configuration keeps: the last, the best, each K-th."""
    last, every = config.keep_last, config.keep_every
    if config.model == "dit":
        return Keep(last, "validation_loss", "lowest", every)
    return Keep(last, "accuracy", "highest", every)
