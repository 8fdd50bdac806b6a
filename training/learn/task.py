"""What learning needs to know of a model: the seam between one loop and its two tasks."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from training.learn.randomness import generator


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step; asking twice for a stream gives the same numbers twice."""

    seed: int
    step: int
    rank: int
    device: torch.device

    def stream(self, name: str) -> torch.Generator:
        """Return the generator of this step's stream called `name`."""
        return generator(self.seed, name, self.step, self.rank, self.device)


@dataclass(frozen=True)
class BatchLoss:
    """The loss of a batch or a piece of one.

    Attributes:
        per_image: `[N]` losses; their mean is minimised.
        quarter: `[N]` 0 to 3, the quarter of the noise scale each belongs to; None where a task has
            none.
        signal: Mean square of what is to be learned, one number. Zero: the objective is degenerate.
    """

    per_image: Tensor
    quarter: Tensor | None
    signal: Tensor


class Task(Protocol):
    """One kind of model and what it learns from."""

    def build(self) -> nn.Module:
        """Return the model with its first weights, drawn from torch's current random state."""
        ...

    def draw(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, ...]:
        """Return the inputs of the loss for a whole batch, random parts too, `[N]` first.

        Drawn before the batch is cut into micro-batches: how it is cut does not change what is
        drawn.
        """
        ...

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> BatchLoss:
        """Return the loss of these inputs or of a piece of them."""
        ...
