"""How well a TinyDiT draws: its loss on held-out photos, its samples, how like photos they are."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.judge.gates import further_than_photos
from training.judge.held import Held
from training.judge.quality import neighbour_correlation, thumbnail_distance
from training.judge.sampling import sample
from training.learn.config import TrainingConfig
from training.learn.flow import TIME_MEAN, TIME_STD
from training.learn.randomness import generator
from training.learn.task import Task

VALIDATION_BATCH = 128
GRID_IMAGES = 36
PIECE = 64
"""Samples drawn between two looks at whether to stop."""


@dataclass(frozen=True)
class DrawingJudge:
    """Measures a TinyDiT.

    Args:
        config: What was trained.
        classes: Number of real classes in the dataset.
        task: Whose loss is measured.
    """

    config: TrainingConfig
    classes: int
    task: Task

    @torch.no_grad()
    def validate(self, model: nn.Module, held: Held) -> dict[str, float]:
        """Return the loss on held-out photos, at noise and times that never change."""
        count = len(held.images)
        levels = (torch.arange(count, dtype=torch.float64) + 0.5) / count
        mixed = levels[torch.randperm(count, generator=generator(0, "validation time"))]
        time = torch.sigmoid(TIME_MEAN + TIME_STD * torch.special.ndtri(mixed)).float()
        noise = torch.randn(held.images.shape, generator=generator(0, "validation noise"))
        device = held.images.device
        parts = (held.images, held.labels, noise.to(device), time.to(device))
        losses = [
            self.task.loss(model, piece).per_image
            for piece in zip(*(torch.split(part, VALIDATION_BATCH) for part in parts), strict=True)
        ]
        return {"validation_loss": float(torch.cat(losses).mean())}

    def examples(self, model: nn.Module, held: Held) -> tuple[Tensor, dict[str, float]]:
        """Return one grid of samples, the classes in turn, from noise that never changes."""
        device = held.images.device
        shape = (GRID_IMAGES, *held.images.shape[1:])
        images = sample(
            model,
            torch.randn(shape, generator=generator(0, "samples")).to(device),
            torch.arange(GRID_IMAGES, device=device) % self.classes,
            null_class=self.classes,
            steps=self.config.sample_steps,
            # With one class there is nothing for guidance to move towards.
            guidance=self.config.guidance if self.classes > 1 else 1.0,
            sampler=self.config.sampler,
        )
        return images, {"sample_correlation": neighbour_correlation(images)}

    def judge(self, model: nn.Module, held: Held, seen: Held) -> Iterator[dict[str, float]]:
        """Give how far samples, photos trained on, and noise are from the held-out photos.

        The distance is that of 8 x 8 thumbnails. Samples are drawn without guidance, which makes
        them more alike than photos are. Where training mirrors photos, mirrored ones count as well:
        twice as many images make the estimate of a distance less too large.
        """
        drawn, noises, found = [], [], dict[str, float]()
        for start in range(0, self.config.judged_samples, PIECE):
            noise, labels = self._judged(held, start)
            noises.append(noise.clamp(-1, 1))
            drawn.append(
                sample(
                    model,
                    noise,
                    labels,
                    null_class=self.classes,
                    steps=self.config.sample_steps,
                    sampler=self.config.sampler,
                )
            )
            yield {}
        if not drawn:
            return
        for name, images in (
            ("thumbnail_distance", torch.cat(drawn)),
            ("thumbnail_distance_photos", seen.images),
            ("thumbnail_distance_noise", torch.cat(noises)),
        ):
            found[name] = thumbnail_distance(images, held.images, mirrors=self.config.augment)
        yield {**found, "further_than_photos": further_than_photos(found)}

    def _judged(self, held: Held, start: int) -> tuple[Tensor, Tensor]:
        """Return the noise and the labels of a piece of samples; labels as photos have them."""
        count = min(PIECE, self.config.judged_samples - start)
        where = torch.arange(start, start + count) % len(held.labels)
        shape = (count, *held.images.shape[1:])
        noise = torch.randn(shape, generator=generator(0, "judge", start))
        return noise.to(held.images.device), held.labels[where.to(held.labels.device)]
