"""The training photos as batches: which ones, in which order, on which device."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from training.data.shard import Dataset
from training.learn.augment import mirror, to_unit
from training.learn.randomness import batch_indices
from training.learn.task import Draws

if TYPE_CHECKING:
    import numpy.typing as npt

RESIDENT_SHARE = 0.25
"""A dataset is kept on the GPU while it takes less than this share of its free memory: a step then
reads no file.
"""


class Photos:
    """The photos a training learns from.

    Args:
        dataset: All photos.
        chosen: `[M]` positions of those to train on.
        device: Where batches go.
        augment: Mirror half of them.
    """

    def __init__(
        self,
        dataset: Dataset,
        chosen: "npt.NDArray[np.int64]",
        device: torch.device,
        *,
        augment: bool,
    ) -> None:
        self._chosen = torch.from_numpy(chosen)
        self._images = dataset.images
        self._labels = torch.from_numpy(dataset.labels.copy()).to(device)
        self._device = device
        self._augment = augment
        self._resident = self._upload() if self._fits() else None

    def __len__(self) -> int:
        return len(self._chosen)

    def batch(self, size: int, draws: Draws, ranks: int = 1) -> tuple[Tensor, Tensor]:
        """Return images `[size, S, S, 3]` in -1 to 1 and labels `[size]` of the step of `draws`."""
        order = batch_indices(
            seed=draws.seed,
            count=len(self),
            batch=size,
            step=draws.step,
            rank=draws.rank,
            ranks=ranks,
        )
        where = self._chosen[order]
        images = self._gather(where)
        if self._augment:
            images = mirror(images, draws.stream("mirror"))
        return to_unit(images), self._labels[where.to(self._device)]

    def _gather(self, where: Tensor) -> Tensor:
        if self._resident is not None:
            return self._resident[where.to(self._device)]
        pixels = torch.from_numpy(np.asarray(self._images[where.numpy()]))
        return pixels.to(self._device)

    def _fits(self) -> bool:
        if self._device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(self._device)
        return self._images.nbytes < RESIDENT_SHARE * free

    def _upload(self) -> Tensor:
        return torch.from_numpy(np.array(self._images)).to(self._device)
