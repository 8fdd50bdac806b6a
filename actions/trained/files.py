"""The files of a declared training, and the memory of their digests."""

from pathlib import Path

from actions.ports import translated
from agents.records.places import ADR_FOLDER, LEARNINGS_PATH
from goals.placed import PlacedParameters
from training.declare.hashes import Hashes
from training.declare.source import Source, source_of
from training.declare.training import Training

__all__ = ["hashes_in", "source_at"]


def hashes_in(state: Path) -> Hashes:
    """What remembers the digests of files, so that no gigabyte is read twice."""
    return Hashes(state / "hashes.db")


def source_at(training: Training, params: PlacedParameters, state: Path) -> Source:
    """The files that a training is started from, as they are now.

    What a run writes is none of them, wherever that is: state, volume and records may lie in a
    folder that is shipped, and each run would make another training of it.

    Raises:
        ActionFailed: One is gone since the declaration was made, or cannot be shipped.
    """
    written = [state, params.repo / ADR_FOLDER, params.repo / Path(LEARNINGS_PATH).parent]
    if params.compute == "local":
        written.append(Path(params.place(state)))
    apart = (*training.apart, *(each.absolute() for each in written))
    with translated():
        return source_of(training.folder, training.source, hashes_in(state), apart, training.beside)
