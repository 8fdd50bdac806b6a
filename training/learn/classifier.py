"""The task of naming a cat's breed: a small residual network, trained by the same loop."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.learn.augment import jitter
from training.learn.config import TrainingConfig
from training.learn.task import BatchLoss, Draws

LABEL_SMOOTHING = 0.1
GROUPS = 8


class BreedClassifier(nn.Module):
    """A residual convolution network of `depth` stages, each half the size of the last.

    Group normalisation, not batch: its result does not depend on what else is in the batch, so a
    batch cut into micro-batches is the same batch.

    Args:
        dim: Channels of the first stage, a multiple of 8.
        depth: Number of stages.
        classes: Number of breeds.
    """

    def __init__(self, *, dim: int, depth: int, classes: int) -> None:
        super().__init__()
        widths = [dim * 2 ** min(stage, 3) for stage in range(depth)]
        self.stem = nn.Conv2d(3, dim, 4, stride=2, padding=1)
        self.stages = nn.ModuleList(
            Residual(before, after) for before, after in zip([dim, *widths], widths, strict=False)
        )
        self.norm = nn.GroupNorm(GROUPS, widths[-1])
        self.head = nn.Linear(widths[-1], classes)
        nn.init.zeros_(self.head.weight)
        # Torch's stubs leave this argument out.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Return `[N, K]` scores of images `[N, S, S, 3]` in -1 to 1."""
        # The stem halves the size: breeds are told apart by colour and shape, not by single hairs.
        hidden = self.stem(images.permute(0, 3, 1, 2))
        for stage in self.stages:
            hidden = functional.avg_pool2d(stage(hidden), 2, ceil_mode=True)
        scores: Tensor = self.head(functional.silu(self.norm(hidden)).mean((2, 3)))
        return scores


class Residual(nn.Module):
    """Two convolutions beside a short cut; it starts as the short cut alone."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first_norm, self.second_norm = (
            nn.GroupNorm(GROUPS, before),
            nn.GroupNorm(GROUPS, after),
        )
        self.first = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.short = nn.Conv2d(before, after, 1, bias=False) if before != after else nn.Identity()
        nn.init.zeros_(self.second.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return `[N, after, H, W]` from `[N, before, H, W]`."""
        inner = self.first(functional.silu(self.first_norm(hidden)))
        inner = self.second(functional.silu(self.second_norm(inner)))
        short: Tensor = self.short(hidden)
        return torch.add(short, inner)


@dataclass(frozen=True)
class ClassifierTask:
    """Trains a BreedClassifier.

    Args:
        config: What to train.
        classes: Number of breeds in the dataset.
    """

    config: TrainingConfig
    classes: int

    def build(self) -> BreedClassifier:
        """Return the model with its first weights."""
        return BreedClassifier(dim=self.config.dim, depth=self.config.depth, classes=self.classes)

    def draw(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, ...]:
        """Return images, changed a little at random if the configuration says so, and labels."""
        if self.config.augment:
            images = jitter(images, draws.stream("jitter"))
        return images, labels

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> BatchLoss:
        """Return the cross entropy with smoothed labels; its signal is the spread of the photos."""
        images, labels = inputs
        scores = model(images).float()
        losses = functional.cross_entropy(
            scores, labels, reduction="none", label_smoothing=LABEL_SMOOTHING
        )
        return BatchLoss(losses, None, images.var())
