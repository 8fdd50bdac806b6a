"""The files of a declared training, and the memory of their digests."""

from pathlib import Path

from actions.ports import translated
from training.declare.hashes import Hashes
from training.declare.source import Source, source_of
from training.declare.training import Training

__all__ = ["hashes_in", "source_at"]


def hashes_in(state: Path) -> Hashes:
    """What remembers the digests of files, so that no gigabyte is read twice."""
    return Hashes(state / "hashes.db")


def source_at(training: Training, state: Path) -> Source:
    """The files that a training is started from, as they are now.

    Raises:
        ActionFailed: One is gone since the declaration was made, or cannot be shipped.
    """
    with translated():
        return source_of(training.folder, training.source, hashes_in(state), training.apart)
