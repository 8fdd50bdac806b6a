"""Finds the photos in a folder and says what breed each one shows.

Three layouts: a folder per breed (``Bengal/any.jpg``), the breed in the file name
(``Bengal_12.jpg``), or no breeds at all. Importing this module imports neither numpy nor PIL.
"""

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from training.errors import DatasetError

__all__ = ["Listing", "Photo", "fingerprint", "listing", "printable"]

UNLABELLED = "cat"
_SUFFIXES = frozenset(
    f".{name}"
    for name in ("jpg", "jpeg", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm")
)
_BREED_IN_NAME = re.compile(r"(?P<breed>.*[^\W\d_].*?)[_-]\d+")


@dataclass(frozen=True)
class Photo:
    """A file that may be a photo: its path, its path below the folder, its breed."""

    path: Path
    name: str
    breed: str


@dataclass(frozen=True)
class Listing:
    """What a folder holds; `fingerprint` changes when a file is added, removed or written."""

    photos: tuple[Photo, ...]
    skipped: tuple[tuple[str, str], ...]  # name below the folder, reason
    fingerprint: str


class _Found(NamedTuple):  # thousands are made: a dataclass would take most of the time
    name: str
    path: str
    reason: str  # why it can't be used; empty when it may
    stamp: tuple[int, int]


def printable(name: str) -> str:
    """A file name as text, whatever bytes it is made of."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def listing(folder: Path) -> Listing:
    """The photos in a folder and their breeds; only names, sizes and dates are read.

    Links are followed, loops of them are not. Hidden files are ignored.

    Raises:
        DatasetError: There is no such folder.
    """
    found = _files(folder)
    photos, strays = _breeds([item for item in found if not item.reason])
    skipped = [(printable(item.name), item.reason) for item in found if item.reason]
    return Listing(photos, tuple(sorted(skipped + strays)), _fingerprint(found))


def fingerprint(folder: Path) -> str:
    """That of `listing`, faster.

    Raises:
        DatasetError: There is no such folder.
    """
    return _fingerprint(_files(folder))


def _files(folder: Path) -> list[_Found]:
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DatasetError(
            f"{folder} {what}",
            fix="give a folder of photos: dataset=PATH, or dataset=synthetic for drawn cats",
            code="dataset_not_a_folder",
        )
    return list(_walk(str(folder), "", set()))


def _fingerprint(found: list[_Found]) -> str:
    lines = [f"{name}\0{size}\0{date}\0{reason}\0" for name, _, reason, (size, date) in found]
    return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()


def _walk(folder: str, below: str, seen: set[tuple[int, int]]) -> Iterator[_Found]:
    """Every file below `folder`, each directory once however many links lead to it."""
    try:
        place = os.stat(folder)  # noqa: PTH116 - as below
        if (place.st_dev, place.st_ino) in seen:
            yield _Found(below, folder, "a link back to a folder already read", (0, 0))
            return
        seen.add((place.st_dev, place.st_ino))
        with os.scandir(folder) as items:
            children = sorted(items, key=lambda item: item.name)
    except OSError as error:
        yield _Found(below or ".", folder, f"cannot be read: {error.strerror}", (0, 0))
        return
    for child in children:
        if child.name.startswith("."):
            continue
        name = f"{below}/{child.name}" if below else child.name
        try:
            info = child.stat()
        except OSError as error:
            yield _Found(name, child.path, f"cannot be read: {error.strerror}", (0, 0))
            continue
        if stat.S_ISDIR(info.st_mode):
            yield from _walk(child.path, name, seen)
        else:
            stamp = (info.st_size, info.st_mtime_ns)
            yield _Found(name, child.path, _reason(child.name, info), stamp)


def _reason(name: str, info: os.stat_result) -> str:
    if not stat.S_ISREG(info.st_mode):
        return "not a regular file"
    suffix = "." + name.rpartition(".")[2].lower()
    if suffix not in _SUFFIXES:
        return f"the suffix {suffix!r} is not that of a photo"
    return "" if info.st_size else "empty file"


def _breeds(files: list[_Found]) -> tuple[tuple[Photo, ...], list[tuple[str, str]]]:
    """Each file with its breed, and the strays that fit no breed."""
    breeds, why = _named_breeds([item.name for item in files])
    photos = tuple(
        Photo(Path(item.path), printable(item.name), printable(breed))
        for item, breed in zip(files, breeds, strict=True)
        if breed is not None
    )
    strays = [
        (printable(item.name), why)
        for item, breed in zip(files, breeds, strict=True)
        if breed is None
    ]
    return photos, strays


def _named_breeds(names: list[str]) -> tuple[list[str | None], str]:
    """The breed that each name says, or None, and what None means in this layout."""
    tops = {name.split("/")[0] if "/" in name else None for name in names}
    if tops != {None} and names:
        if len(tops) == 1:  # one folder around everything, as in an unpacked archive
            inner, why = _named_breeds([name.split("/", 1)[1] for name in names])
            if len(set(inner) - {None}) > 1:
                return inner, why
        breeds = [name.split("/")[0] if "/" in name else None for name in names]
        return breeds, "it lies beside the breeds' folders"
    matches = [_BREED_IN_NAME.fullmatch(name.rsplit(".", 1)[0]) for name in names]
    found = [match["breed"] if match else None for match in matches]
    counts = Counter(breed for breed in found if breed)
    # One name for all (IMG_0001, DSC_0002) is a camera's; names for a few are chance.
    if len(counts) < 2 or counts.total() * 2 < len(names):
        return [UNLABELLED] * len(names), ""
    return found, "its name says no breed"
