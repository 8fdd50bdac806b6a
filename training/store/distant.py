"""The checkpoints of a training whose volume is elsewhere: read and deleted through the volume."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from training.errors import CheckpointError
from training.runner.keep import Keep
from training.runner.order import Order
from training.runner.sealed import Checkpoint, pins_in, sealed_in, surplus_of
from training.store.directory import TrainingDirectory
from training.store.names import EARLIER_MANIFEST_FILE, MANIFEST_FILE
from training.store.saved import saved_in
from training.store.volume import Volume

__all__ = ["DistantStore", "checkpoints_of"]

_STEP: Final = re.compile(r"\d+(?=\D*$)")


@dataclass(frozen=True)
class DistantStore:
    """What is sealed of one training, wherever its volume is.

    Attributes:
        directory: The training.
        order: What is trained, with the policy of now.
    """

    directory: TrainingDirectory
    order: Order

    def entries(self) -> list[Checkpoint]:
        """Every checkpoint whose manifest is ours and holds together, by step."""
        saved = saved_in(self.directory.read(self.directory.saved_name) or b"")
        found = []
        for step, path in checkpoints_of(self.directory, self.order).items():
            names = (MANIFEST_FILE, EARLIER_MANIFEST_FILE)
            read = ((name, self.directory.read(f"{path}/{name}")) for name in names)
            name, stored = next((each for each in read if each[1] is not None), ("", None))
            if stored is None:
                continue
            try:
                found.append(sealed_in(stored, step, Path(path), self.order, saved, name))
            except CheckpointError:
                continue  # what is not ours is neither counted nor deleted
        return found

    def surplus(self, keep: Keep, entries: Sequence[Checkpoint] | None = None) -> list[Checkpoint]:
        """What is not kept, as far as names and sizes say; nothing is deleted.

        Args:
            keep: The policy.
            entries: What there is, where that was read already.

        Raises:
            CheckpointError: What is pinned cannot be read, so nothing may go.
        """
        entries = self.entries() if entries is None else entries
        return surplus_of(entries, keep, self._pinned(), self._is_there)

    def prune(self, keep: Keep) -> list[Checkpoint]:
        """Delete what is not kept, once every byte was read of what stays in its place.

        Raises:
            CheckpointError: What is pinned cannot be read, so nothing may go.
        """
        gone = surplus_of(self.entries(), keep, self._pinned(), self._is_valid)
        for entry in gone:
            self.directory.volume.remove(entry.path.as_posix())
        return gone

    def _pinned(self) -> frozenset[int]:
        pins = self.directory.read(self.directory.pins_name)
        return frozenset() if pins is None else pins_in(pins, self.directory.pins_name)

    def _is_there(self, entry: Checkpoint) -> bool:
        volume = self.directory.volume
        return all(
            volume.size(f"{entry.path.as_posix()}/{name}") == size
            for name, (_, size) in entry.files.items()
        )

    def _is_valid(self, entry: Checkpoint) -> bool:
        volume = self.directory.volume
        return self._is_there(entry) and all(
            volume.sha256(f"{entry.path.as_posix()}/{name}") == sha256
            for name, (sha256, _) in entry.files.items()
        )


def checkpoints_of(directory: TrainingDirectory, order: Order) -> dict[int, str]:
    """Step → the directory of its checkpoint, whether or not it is valid."""
    parts = order.checkpoints.pattern.split("/")
    found: dict[int, str] = {}
    for path in _matching(directory.volume, directory.name, parts):
        number = _STEP.search(path.rpartition("/")[2])
        if number is not None:
            found[int(number[0])] = path
    return dict(sorted(found.items()))


def _matching(volume: Volume, path: str, parts: list[str]) -> Iterator[str]:
    if not parts:
        yield path
        return
    for name in volume.listdir(path):
        if not name.startswith(".") and fnmatchcase(name, parts[0]):
            yield from _matching(volume, f"{path}/{name}", parts[1:])
