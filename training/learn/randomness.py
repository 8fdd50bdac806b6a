"""Every random number is a function of (seed, stream, step, rank).

A resumed run draws what the unbroken one would. Nothing of it is kept in a checkpoint, so nothing
of it can be forgotten there.
"""

import hashlib
from functools import lru_cache

import torch
from torch import Tensor


def generator(
    seed: int, stream: str, step: int = 0, rank: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a generator whose numbers depend on these arguments only.

    Streams are independent of each other: `noise` and `time` of one step share nothing.
    """
    name = f"{seed}/{stream}/{rank}".encode()
    start = int.from_bytes(hashlib.blake2b(name, digest_size=7).digest(), "big")
    # The CPU generator uses 32 bits of its seed. Adding the step keeps the steps of a stream
    # distinct even there.
    return torch.Generator(device).manual_seed(start + step)


def batch_indices(
    *, seed: int, count: int, batch: int, step: int, rank: int = 0, ranks: int = 1
) -> Tensor:
    """Return the `[batch]` positions of the images that `rank` uses in `step`.

    The images of an epoch come in an order that depends on (seed, epoch). Batches run on across
    epochs, so a dataset smaller than a batch is used several times in it.

    Args:
        seed: The training's seed.
        count: Images in the dataset, at least 1.
        batch: Images of one rank in one step.
        step: Steps already done.
        rank: This process, from 0.
        ranks: Processes that share the dataset.
    """
    first = (step * ranks + rank) * batch
    picked: list[Tensor] = []
    while batch > 0:
        epoch, offset = divmod(first, count)
        part = _order(seed, epoch, count)[offset : offset + batch]
        picked.append(part)
        first, batch = first + len(part), batch - len(part)
    return torch.cat(picked)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> Tensor:
    return torch.randperm(count, generator=generator(seed, "order", epoch))
