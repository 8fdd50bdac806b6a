"""The tensors of a checkpoint that our own script saved, proven to be as they were sealed."""

import dataclasses
from typing import TYPE_CHECKING

from training.errors import CheckpointError
from training.runner.checkpoints import verify
from training.runner.sealed import Checkpoint
from training.store.tensorfile import SUFFIX, read_tensors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_weights"]


def read_weights(entry: Checkpoint, stem: str) -> dict[str, "Tensor"]:
    """The tensors of one of its files by name, on the CPU; no other file is read.

    They are private mappings of the file: copy them to where they are used.

    Args:
        entry: The checkpoint.
        stem: Which of its files: ``model``, ``ema`` or ``optimizer``.

    Raises:
        CheckpointError: It holds no such file, or that is not as it was sealed.
    """
    name = f"{stem}{SUFFIX}"
    if name not in entry.files:
        raise CheckpointError(f"it holds no {stem}", code="checkpoint_invalid")
    verify(dataclasses.replace(entry, files={name: entry.files[name]}))
    return read_tensors(entry.path / name)
