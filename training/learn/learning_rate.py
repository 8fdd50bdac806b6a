"""The learning rate: a function of the step alone, so a resumed run cannot get it wrong."""

import math


def learning_rate(
    step: int, *, peak: float, steps: int, warmup_steps: int, constant_until: float
) -> float:
    """Return the rate of the update made from `step` finished steps.

    Linear over the warm-up, then constant, then a half cosine to zero at the last step.

    Args:
        step: Steps already done, from 0.
        peak: The constant rate.
        steps: Length of the training.
        warmup_steps: Length of the rise.
        constant_until: Share of the training after which the rate falls.

    >>> [learning_rate(s, peak=1.0, steps=10, warmup_steps=2, constant_until=0.4) for s in (0, 1,
    3)] [0.5, 1.0, 1.0]
    """
    fall = max(warmup_steps, round(constant_until * steps))
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if step < fall or fall >= steps:
        return peak
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - fall) / (steps - fall))))
