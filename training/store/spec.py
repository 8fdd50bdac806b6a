"""What is trained: ``spec.json``, written before a training is launched."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from training.key import KeyParts, training_key
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

    @model_validator(mode="after")
    def _is_what_its_key_says(self) -> Self:
        """Nothing was changed since it was written: it says what its key is the digest of."""
        if self.parts is None:
            return self
        given = self.settings.model_dump(mode="json")
        changed = [name for name, value in self.parts.settings.items() if given.get(name) != value]
        if self.key != training_key(self.parts) or self.data != self.parts.data or changed:
            told = f": {', '.join(changed)}" if changed else ""
            raise ValueError(f"it is not what key {self.key} was made of{told}")
        return self
