"""Which files of a directory are sent together, so that it takes as much memory however many."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from training.compute.modal.pieces import LARGE_BYTES
from training.store.names import DATA_MANIFEST_FILE, MANIFEST_FILE

__all__ = ["LAST", "groups_of", "is_large"]

GROUP_BYTES: Final = 16 << 20
"""The client holds the bytes of all small files of a group until it ends."""

GROUP_FILES: Final = 500

LAST: Final = (DATA_MANIFEST_FILE, MANIFEST_FILE)
"""Sent after all others: a directory with one of them is whole."""


def is_large(file: Path) -> bool:
    """Whether a file is sent in pieces, and so alone."""
    return file.stat().st_size > LARGE_BYTES


def groups_of(place: Path) -> Iterator[list[Path]]:
    """The files of a file or directory, in groups that one upload takes; those of `LAST` last.

    It is walked while it is sent: nobody holds the names of all of it.
    """
    late: list[Path] = []
    yield from _grouped(_unless_late(place, late))
    yield from _grouped(late)


def _unless_late(place: Path, late: list[Path]) -> Iterator[Path]:
    for file in _files_of(place):
        if file.name in LAST:
            late.append(file)
        else:
            yield file


def _files_of(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
    for directory, folders, names in os.walk(place):
        folders.sort()
        for file in (Path(directory, name) for name in sorted(names)):
            if file.is_file():
                yield file


def _grouped(files: Iterable[Path]) -> Iterator[list[Path]]:
    """Files in groups; a large one is alone."""
    group: list[Path] = []
    size = 0
    for file in files:
        if is_large(file):
            yield [file]
            continue
        more = file.stat().st_size
        if group and (size + more > GROUP_BYTES or len(group) >= GROUP_FILES):
            yield group
            group, size = [], 0
        group.append(file)
        size += more
    if group:
        yield group
