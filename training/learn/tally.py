"""The numbers of one step or of several, by name, in one tensor that stays on the device."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from training.learn.task import BatchLoss

_LOSS, _NORM, _SIGNAL = 0, 1, 2
_HEADLINE = slice(0, 3)
_QUARTERS = slice(3, 7)
_COUNTS = slice(7, 11)
_LENGTH = 11


class Headline(NamedTuple):
    """What a step is watched by."""

    loss: float
    norm: float
    signal: float


@dataclass(frozen=True)
class Tally:
    """Loss, gradient norm, signal, and losses by quarter of the noise scale, summed over steps.

    Reading a number waits for the device, so they are kept together and read together.
    """

    sums: Tensor

    @classmethod
    def empty(cls, device: torch.device) -> "Tally":
        """Nothing counted yet."""
        return cls(torch.zeros(_LENGTH, device=device))

    def add_piece(self, piece: BatchLoss, loss: Tensor, share: float) -> None:
        """Count a piece of a batch; `loss` is its mean times its `share` of the batch."""
        self.sums[_LOSS] += loss
        self.sums[_SIGNAL] += piece.signal.detach() * share
        if piece.quarter is not None:
            ones = torch.ones_like(piece.per_image)
            self.sums[_QUARTERS].index_add_(0, piece.quarter, piece.per_image.detach())
            self.sums[_COUNTS].index_add_(0, piece.quarter, ones)

    def set_norm(self, norm: Tensor) -> None:
        """Keep the length of the gradient."""
        self.sums[_NORM] = norm

    def __add__(self, other: "Tally") -> "Tally":
        """The sums of both."""
        return Tally(self.sums + other.sums)

    def headline(self, steps: int = 1) -> Headline:
        """Mean loss, gradient norm and signal of a step, read from the device."""
        sums = self.sums[_HEADLINE]
        return Headline(*(sums if steps == 1 else sums / steps).tolist())

    def quarters(self) -> dict[int, float]:
        """The mean loss of each quarter of the noise scale that was met, from 1."""
        losses, counts = self.sums[_QUARTERS].tolist(), self.sums[_COUNTS].tolist()
        pairs = enumerate(zip(losses, counts, strict=True), 1)
        return {index: total / count for index, (total, count) in pairs if count}
