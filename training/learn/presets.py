"""Named settings for each model: plain data, checked when a configuration is made of it.

A preset only says what differs from the defaults of `training.learn.config.TrainingConfig`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["PRESETS"]

_SMOKE: Final[Mapping[str, object]] = {
    "image_size": 16,
    "patch": 4,
    "dim": 64,
    "depth": 2,
    "heads": 2,
    "batch": 32,
    "steps": 150,
    "learning_rate": 3e-3,
    "warmup_steps": 10,
    "save_every": 50,
    "sample_every": 150,
    "validate_every": 75,
    "log_every": 10,
    "sample_steps": 10,
    "judged_samples": 64,
    "judged_share": 0.5,  # 150 steps are for showing that everything works
    "ema_stds": (0.10,),
    "precision": "fp32",
}

_TINY: Final[Mapping[str, object]] = {
    "image_size": 32,
    "patch": 8,
    "dim": 192,
    "depth": 4,
    "heads": 6,
    "batch": 32,
    "steps": 2_000,
    "learning_rate": 2e-3,
    "warmup_steps": 50,
    "save_every": 500,
    "sample_every": 500,
    "validate_every": 250,
    "log_every": 50,
    "judged_samples": 512,  # a tenth of what training takes
    "sample_steps": 20,  # 25 and more make the colours of a model this small too strong
    "ema_stds": (0.10, 0.05),  # a short training gains from the wider average
}

# 128 px: a model of DiT-S width (arXiv 2212.09748) with the optimizer of JiT (arXiv 2511.13720).
_DIT128: Final[Mapping[str, object]] = {
    "image_size": 128,
    "patch": 16,
    "dim": 384,
    "depth": 12,
    "heads": 6,
    "batch": 256,
    "steps": 300_000,
    "learning_rate": 2e-4,
    "warmup_steps": 5_000,
    "save_every": 5_000,
    "sample_every": 10_000,
    "validate_every": 5_000,
    "log_every": 100,
    "keep_every": 50_000,
}

_CLASSIFIER_SMOKE: Final[Mapping[str, object]] = {
    **_SMOKE,
    "dim": 16,
    "learning_rate": 2e-3,
    "label_dropout": 0.0,
}

_CLASSIFIER_TINY: Final[Mapping[str, object]] = {
    **_TINY,
    "dim": 32,
    "steps": 400,  # ten photos a breed are learned by heart soon after
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "label_dropout": 0.0,
}

PRESETS: Final[Mapping[str, Mapping[str, Mapping[str, object]]]] = MappingProxyType(
    {
        "dit": MappingProxyType({"smoke": _SMOKE, "tiny": _TINY, "dit128": _DIT128}),
        "classifier": MappingProxyType({"smoke": _CLASSIFIER_SMOKE, "tiny": _CLASSIFIER_TINY}),
    }
)
"""Model name to preset name to the settings that differ from the defaults."""
