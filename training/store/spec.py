"""What is trained: ``spec.json``, written before a training is launched."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from training.key import KeyParts
from training.learn.config import TrainingConfig

__all__ = ["Spec"]


class Spec(BaseModel):
    """One training: its key, what the key is made of, and all settings.

    Attributes:
        key: The training key.
        parts: What the key is the digest of; None for a training of an earlier formula.
        settings: All settings, those too that are in no key.
        data: Digest of the dataset.
        label: What a person calls the dataset.
        kind: What the photos are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    key: str
    parts: KeyParts | None
    settings: TrainingConfig
    data: str
    label: str
    kind: Literal["folder", "pets", "synthetic"]
