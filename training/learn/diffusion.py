"""The task of drawing cats: TinyDiT by flow matching."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.learn.config import TrainingConfig
from training.learn.dit import TinyDiT
from training.learn.flow import draw_time, drop_labels, flow_loss
from training.learn.task import BatchLoss, Draws


@dataclass(frozen=True)
class DiffusionTask:
    """Trains a TinyDiT.

    Args:
        config: What to train.
        classes: Number of real classes in the dataset.
    """

    config: TrainingConfig
    classes: int

    def build(self) -> TinyDiT:
        """Return the model with its first weights."""
        return TinyDiT(
            image_size=self.config.image_size,
            patch=self.config.patch,
            dim=self.config.dim,
            depth=self.config.depth,
            heads=self.config.heads,
            classes=self.classes,
        )

    def draw(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, ...]:
        """Return images, labels (some dropped), noise and times."""
        noise = torch.randn(images.shape, generator=draws.stream("noise"), device=images.device)
        time = draw_time(len(images), draws.stream("time"))
        kept = drop_labels(labels, self.classes, self.config.label_dropout, draws.stream("labels"))
        return images, kept, noise, time

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> BatchLoss:
        """Return the velocity loss, by quarter of time."""
        images, labels, noise, time = inputs
        found = flow_loss(model, images, labels, noise, time)
        return BatchLoss(found.per_image, (time * 4).long().clamp_max(3), found.target_power)
