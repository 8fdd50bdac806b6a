"""Photos to measure on: some of those held out, or of those trained on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from training.data.shard import Dataset
from training.learn.augment import to_unit

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_HELD = 512


@dataclass(frozen=True)
class Held:
    """Photos to measure on, on the device, in -1 to 1, with their labels and all classes' names."""

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...] = ()


def measured_on(
    dataset: Dataset,
    chosen: "npt.NDArray[np.int64]",
    device: torch.device,
    most: int = MOST_HELD,
) -> Held:
    """Return the chosen photos to measure on, at most `most` of them, evenly taken from all."""
    stride = max(1, -(-len(chosen) // most))
    chosen = chosen[::stride]
    images = torch.from_numpy(np.asarray(dataset.images[chosen]))
    labels = torch.from_numpy(dataset.labels[chosen])
    return Held(to_unit(images).to(device), labels.to(device), dataset.classes)
