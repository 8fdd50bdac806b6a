"""What a training is expected to take, before anything was measured.

Counted from the shape of the model, so that a preset nobody ran yet still gets an honest order of
magnitude: 6 floating point operations per weight and token (Kaplan et al., arXiv 2001.08361).
"""

from goals.parameters import TrainingParameters
from training.learn.config import TrainingConfig

__all__ = ["disk_mb", "price", "training_seconds", "weights"]

LOCAL_FLOPS = 7e10
"""What a small machine sustains in a training step: two cores in fp32, measured."""

MODAL_FLOPS = 2e13
"""An order of magnitude for the default GPU (A10G); no measurement of ours."""

START_SECONDS = 8.0
"""Importing torch, the first step, samples and the last checkpoint."""

BYTES_PER_WEIGHT = 4


def weights(config: TrainingConfig) -> int:
    """About how many weights the model has.

    >>> from goals.parameters import TrainingParameters
    from training.learn.config import resolve
    >>> weights(resolve("dit", "tiny")) // 100_000
    28
    """
    if config.model == "classifier":
        # stages double the width and halve the image; the last two hold nearly everything
        return 40 * config.dim**2 * config.depth
    pixels = 3 * config.patch**2
    # a block: 4 d² attention, 8 d² MLP, 6 d² modulation; outside: patch embedding and output
    return config.depth * 18 * config.dim**2 + 2 * pixels * config.dim + 2 * config.dim**2


def training_seconds(params: TrainingParameters, config: TrainingConfig | None = None) -> float:
    """Expected seconds of the training these parameters describe, or of one of their sweep."""
    config = config or params.config()
    flops = LOCAL_FLOPS if _is_here(params) else MODAL_FLOPS
    tokens = (config.image_size // config.patch) ** 2
    work = 6.0 * weights(config) * tokens * config.batch * config.steps
    return START_SECONDS + work / flops


def price(params: TrainingParameters) -> float | None:
    """Nothing on this machine; elsewhere unknown: rates change, so none is written down here."""
    return 0.0 if _is_here(params) else None


def _is_here(params: TrainingParameters) -> bool:
    """Whether training runs on this machine, directly or in a container of the rehearsal."""
    return params.compute in ("local", "loopback")


def disk_mb(params: TrainingParameters) -> float:
    """Free space a training needs to start: one more checkpoint beside those it keeps, in MB."""
    config = params.config()
    tensors = 3 + len(config.ema_stds)  # model, two moments of AdamW, one average per profile
    checkpoint = weights(config) * BYTES_PER_WEIGHT * tensors
    return 10.0 + (config.keep_last + 1) * checkpoint / 1e6
