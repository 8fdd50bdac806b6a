"""The processes that train together (torchrun), or the one that trains alone."""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import ConfigError

STOP_EVERY = 10
"""Steps between two agreements on stopping: asking every step would make the GPU wait for the CPU
every step.
"""


@dataclass(frozen=True)
class Group:
    """Which of how many processes this is."""

    rank: int = 0
    ranks: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes checkpoints, logs and results."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Return how many images of a batch are this process's.

        Raises:
            ConfigError: The batch cannot be divided evenly.
        """
        if batch % self.ranks:
            raise ConfigError(
                f"a batch of {batch} images cannot be shared by {self.ranks} processes",
                fix=f"use a batch that is a multiple of {self.ranks}",
            )
        return batch // self.ranks

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model so that its gradients are averaged over the processes."""
        return model if self.ranks == 1 else DistributedDataParallel(model)

    def accumulating(self, model: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        """Return a context in which gradients are averaged only for the last piece of a batch."""
        if last or not isinstance(model, DistributedDataParallel):
            return nullcontext()
        context: AbstractContextManager[None] = model.no_sync()
        return context

    def agree(self, wanted: bool, step: int) -> bool:
        """Return whether any process wants to stop: the same answer in all, at the same step."""
        if self.ranks == 1:
            return wanted
        if step % STOP_EVERY:
            return False
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        votes = torch.tensor([float(wanted)], device=device)
        distributed.all_reduce(votes, distributed.ReduceOp.MAX)
        return bool(votes.item())

    def mean(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return the mean of these numbers over the processes."""
        if self.ranks > 1:
            distributed.all_reduce(numbers)
            numbers = numbers / self.ranks
        return numbers

    def wait(self) -> None:
        """Return when every process is here."""
        if self.ranks > 1:
            distributed.barrier()


@contextmanager
def joined(environment: Mapping[str, str] | None = None) -> Iterator[Group]:
    """Give the group that torchrun put in the environment; a group of one without it."""
    environment = os.environ if environment is None else environment
    ranks = int(environment.get("WORLD_SIZE", "1"))
    if ranks == 1:
        yield Group()
        return
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(int(environment.get("LOCAL_RANK", "0")))
    distributed.init_process_group(backend, timeout=timedelta(minutes=10))
    try:
        yield Group(distributed.get_rank(), ranks)
    finally:
        distributed.destroy_process_group()
