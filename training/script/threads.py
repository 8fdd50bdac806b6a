"""How many processor threads suit a training."""

from training.learn.config import TrainingConfig

__all__ = ["suited_threads"]

SMALL_STEP = 2_000_000
"""Batch times pixels times width, below which a step is one thread's work."""


def suited_threads(config: TrainingConfig) -> int | None:
    """Return how many CPU threads suit a training; None for as many as torch would take."""
    # A second thread costs more than it saves on small tensors: 14 ms and 25 ms a step of `smoke`.
    return 1 if config.batch * config.image_size**2 * config.dim < SMALL_STEP else None
