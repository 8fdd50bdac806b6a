"""What lies on a volume and is cited by nothing: found, listed with its size, then deleted.

Who decides gives every text that may cite something; ids are looked for in it as hex digits, whole
or shortened to eight of them. What is kept cites too: the order of a training names its data, its
image and the training it began with.

A kill at any point leaves less to delete and nothing half: of data the manifest goes first, without
which it is not there, and the account of a training is kept before the training goes.
"""

import bisect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from training.store.directory import TrainingDirectory, proof_name, ranking_name
from training.store.layout import (
    DATASETS,
    SOURCES,
    TRAININGS,
    dataset_name,
    kept_account_name,
)
from training.store.names import DATA_MANIFEST_FILE
from training.store.volume import Found, Volume

__all__ = ["Citations", "Item", "delete", "items_of", "uncited"]

Kind: TypeAlias = Literal["training", "data", "staged", "proof", "ranking"]

_WORD: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{8,64}(?![0-9a-f])")
SHORTEST: Final = 8
"""So many digits are a citation; fewer are too likely to mean something else."""

_IMAGES = proof_name("").partition("/")[0]
_RANKINGS = ranking_name("").partition("/")[0]


@dataclass(frozen=True)
class Item:
    """Something that is there or not as a whole.

    Attributes:
        kind: What it is.
        identity: Hex digits by which it is cited.
        path: Where it lies, below the volume.
        size: Bytes.
        written: When something of it was written last, in seconds since 1970.
    """

    kind: Kind
    identity: str
    path: str
    size: int
    written: float


@dataclass
class Citations:
    """Every text that may cite something, as the ids in it."""

    words: set[str] = field(default_factory=set)
    _sorted: list[str] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Take the ids of a text.

        >>> cited = Citations()
        >>> cited.read("training a1a1a1a1a1a1a1a1, data 0123456789ab")
        >>> cited.hold("a1" * 8), cited.hold("0123456789abcdef"), cited.hold("ffff0000ffff0000")
        (True, True, False)
        """
        new = set(_WORD.findall(text)) - self.words
        if new:
            self.words |= new
            self._sorted = sorted(self.words)

    def hold(self, identity: str) -> bool:
        """Whether an id is cited, shortened or not; what is itself a shortened one, too."""
        if any(identity[:length] in self.words for length in range(SHORTEST, len(identity) + 1)):
            return True
        at = bisect.bisect_left(self._sorted, identity)
        return at < len(self._sorted) and self._sorted[at].startswith(identity)


def items_of(volume: Volume) -> list[Item]:
    """Everything on a volume that can go, by path."""
    files: defaultdict[tuple[Kind, str, str], list[Found]] = defaultdict(list)
    for folder in (TRAININGS, DATASETS, _IMAGES, _RANKINGS):
        for found in volume.files(folder):
            named = _named(found.path.split("/"))
            if named is not None:
                files[named].append(found)
    return [
        Item(
            kind,
            identity,
            path,
            sum(each.size for each in of_it),
            max(each.time for each in of_it),
        )
        for (kind, identity, path), of_it in sorted(files.items(), key=lambda each: each[0][2])
    ]


def _named(parts: list[str]) -> tuple[Kind, str, str] | None:
    """What a file belongs to: kind, id and path; None for what always stays."""
    match parts:
        case [folder, key, _, *_] if folder == TRAININGS:
            return "training", key, f"{folder}/{key}"
        case [folder, sources, name, _, *_] if (folder, sources) == (DATASETS, SOURCES):
            # what a command is made of while it runs, and pieces of what is being sent
            return "staged", name.rpartition("-")[2], "/".join(parts[:3])
        case [folder, digest, _, *_] if folder == DATASETS and digest != SOURCES:
            return "data", digest, f"{folder}/{digest}"
        case [folder, name] if folder == _IMAGES and name.endswith(".json"):
            return "proof", name.removesuffix(".json"), f"{folder}/{name}"
        case [folder, name, _, *_] if folder == _IMAGES:
            return "staged", name.partition(".")[0], f"{folder}/{name}"
        case [folder, name] if folder == _RANKINGS and name.endswith(".json"):
            return "ranking", name.removesuffix(".json"), f"{folder}/{name}"
        case _:
            return None


def uncited(volume: Volume, items: Sequence[Item], cited: Citations, before: float) -> list[Item]:
    """What nothing cites and nobody wrote to since; what is kept cites as well.

    Args:
        volume: Whose.
        items: Everything that is there.
        cited: What is cited from outside; gets what is cited by what is kept.
        before: Younger things stay, in seconds since 1970: somebody may be about to use them.
    """
    waiting = list(items)
    while True:
        kept = [each for each in waiting if each.written >= before or _is_cited(each, cited)]
        if not kept:
            return waiting
        waiting = [each for each in waiting if each not in kept]
        for each in kept:
            cited.read(each.identity)
            if each.kind == "training":
                directory = TrainingDirectory(volume, each.identity)
                cited.read((directory.read(directory.spec_name) or b"").decode(errors="replace"))


def _is_cited(item: Item, cited: Citations) -> bool:
    # pieces and copies serve the moment in which they are made
    return item.kind != "staged" and cited.hold(item.identity)


def delete(volume: Volume, item: Item) -> None:
    """Delete one thing; what is left by a kill is deleted by the next one."""
    if item.kind == "training":
        _keep_account(volume, item.identity)
    if item.kind == "data":
        for record in _records_of(volume, item.identity):
            volume.remove(record)
        volume.remove(f"{item.path}/{DATA_MANIFEST_FILE}")
    volume.remove(item.path)


def _records_of(volume: Volume, digest: str) -> Iterator[str]:
    """The files that say that a source was last prepared as this."""
    folder = dataset_name(SOURCES)
    for name in volume.listdir(folder):
        if name.endswith(".json") and digest.encode() in volume.read_bytes(f"{folder}/{name}"):
            yield f"{folder}/{name}"


def _keep_account(volume: Volume, key: str) -> None:
    """What was used is used: the account stays, beside that of an earlier training of the key."""
    directory, kept = TrainingDirectory(volume, key), kept_account_name(key)
    lines = dict.fromkeys(
        line for name in (kept, directory.account_name) for line in _lines(directory.read(name))
    )
    if lines:
        volume.write_bytes(kept, b"".join(lines))


def _lines(content: bytes | None) -> Iterable[bytes]:
    whole = (content or b"").splitlines(keepends=True)
    return (line for line in whole if line.endswith(b"\n"))
