"""The files that a declaration names: found, kept inside of its folder, shipped by their digest."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from training.declare.hashes import Hashes
from training.declare.place import similar
from training.errors import ConfigError
from training.key import digest_of_files
from training.store.durable import disk_errors, replace_directory, temporary_directory
from training.store.layout import Layout
from training.store.volume import Volume

if TYPE_CHECKING:
    from training.compute.port import Shipped

__all__ = ["Source", "SourceError", "files_of", "source_of", "stage_source"]

_BY_HAND = "run"
"""What a script writes that is started by hand lies in this folder, beside it."""

_ENVIRONMENT = "pyvenv.cfg"
"""A folder that holds this file is an environment of Python."""


class SourceError(ConfigError, code="source"):
    """A file that a declaration names is not there, or cannot be shipped."""


@dataclass(frozen=True)
class Source:
    """Files below a folder, and their digest.

    Attributes:
        root: The folder.
        files: Absolute paths, sorted by their names below it.
        digest: Of names and bytes: the part ``source`` of a key.
        beside: What is shipped too and in no key.
    """

    root: Path
    files: tuple[Path, ...]
    digest: str
    beside: "Source | None" = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names below the folder."""
        return tuple(path.relative_to(self.root).as_posix() for path in self.files)

    def stage(self, directory: Path) -> None:
        """Copy them to a directory, which is made, with their names below it.

        Raises:
            SourceError: A file was changed since the digest was made.
            DiskFull: There is no room.
        """
        copies = []
        with disk_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            for path, name in zip(self.files, self.names, strict=True):
                copy = directory / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                try:
                    shutil.copyfile(path, copy)
                    shutil.copymode(path, copy)
                except FileNotFoundError as error:
                    raise _changed(self.root) from error
                copies.append(copy)
        if digest_of_files(directory, copies) != self.digest:
            raise _changed(self.root)


def source_of(
    root: Path,
    entries: str | Sequence[str],
    hashes: Hashes,
    apart: Sequence[Path] = (),
    beside: str | Sequence[str] = (),
) -> Source:
    """The files that entries name, with their digest.

    Args:
        root: The folder that entries are relative to.
        entries: Files, folders and globs.
        hashes: Remembers digests.
        apart: Folders and files that are left out of folders and globs.
        beside: What is shipped too and in no key.

    Raises:
        SourceError: One names nothing, or what cannot be shipped.
    """
    files = files_of(root, entries, apart)
    more = files_of(root, beside, (*apart, *files)) if beside else ()
    shipped = Source(root, more, hashes.of_source(root, more)) if more else None
    return Source(root, files, hashes.of_source(root, files), shipped)


def files_of(
    root: Path, entries: str | Sequence[str], apart: Sequence[Path] = ()
) -> tuple[Path, ...]:
    """The files that entries name, sorted by their names below a folder.

    Left out of folders and globs: what is hidden, ``__pycache__``, ``*.pyc``, environments of
    Python, and ``run/``, which a script makes that is started by hand.

    Raises:
        SourceError: One names nothing, or what cannot be shipped.
    """
    names = (entries,) if isinstance(entries, str) else tuple(entries)
    files = {path for name in names for path in _files_of(root, name, apart)}
    return tuple(sorted(files, key=lambda path: path.relative_to(root).as_posix()))


def stage_source(source: "Shipped", volume: Volume, key: str) -> None:
    """Put the source of a training where its runner takes it from, on any volume; whole.

    What is there already stays: the same key has the same source. What is shipped beside it is in
    no key, and is that of now at each launch.

    Raises:
        SourceError: A file was changed since the digest was made.
        DiskFull: There is no room.
    """
    layout = _Staged(key)
    if not volume.exists(layout.staged_name):
        _stage(source, volume, layout.source_name, layout.staged_name)
    beside, staged = source.beside, layout.beside_staged_name
    if beside is not None and not _is_staged(beside, volume, staged):
        volume.remove(staged)
        _stage(beside, volume, layout.beside_name, staged)


def _is_staged(source: "Shipped", volume: Volume, record: str) -> bool:
    return volume.exists(record) and source.digest.encode() in volume.read_bytes(record)


def _stage(source: "Shipped", volume: Volume, name: str, record: str) -> None:
    root = volume.local_root
    with ExitStack() as stack:
        if root is not None:
            place = (root / name).parent
        else:
            place = Path(stack.enter_context(TemporaryDirectory(prefix="source-")))
        made = stack.enter_context(temporary_directory(place, "source"))
        source.stage(made / name)
        if root is not None:
            replace_directory(made / name, root / name)
        else:
            volume.remove(name)
            volume.upload(made, name)
    # last, so that what a kill left half is done again
    volume.write_bytes(record, (json.dumps({"digest": source.digest}) + "\n").encode())


@dataclass(frozen=True)
class _Staged(Layout):
    """The names of a training whose source is staged."""

    key: str


def _files_of(root: Path, entry: str, apart: Sequence[Path]) -> Iterator[Path]:
    if not entry.strip():
        raise SourceError("an entry is empty", fix="write the name of a file or folder")
    path = Path(os.path.normpath(root / entry))
    if not path.is_relative_to(root):
        raise SourceError(
            f"{entry!r} lies outside of {root}",
            fix="copy or move it there, or say root= the folder that holds all of it",
        )
    if path.is_dir():
        yield from _of_folder(root, path, entry, apart)
    elif path.is_file():
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            raise SourceError(
                f"{entry!r} is hidden, and hidden files are never part of a source",
                fix="give it a name without the dot",
            )
        yield _inside(root, path)
    elif any(letter in entry for letter in "*?["):
        yield from _of_glob(root, entry, apart)
    elif path.exists() or path.is_symlink():
        raise SourceError(f"{entry!r} is no regular file", fix="name a file, a folder or a glob")
    else:
        raise SourceError(
            f"there is no {entry!r} in {root}{_similar(path)}", fix="correct the name"
        )


def _of_folder(root: Path, folder: Path, entry: str, apart: Sequence[Path]) -> Iterator[Path]:
    if any(part.startswith(".") for part in folder.relative_to(root).parts):
        raise SourceError(
            f"{entry!r} is hidden, and hidden files are never part of a source",
            fix="give the folder a name without the dot",
        )
    count = 0
    for path in _walked(root, folder, apart):
        count += 1
        yield path
    if not count:
        raise SourceError(f"{entry!r} holds no file", fix="leave it out, or name another folder")


def _of_glob(root: Path, entry: str, apart: Sequence[Path]) -> Iterator[Path]:
    count = 0
    for path in sorted(root.glob(os.path.normpath(entry))):
        if _is_left_out(root, path, apart):
            continue
        for each in _walked(root, path, apart) if path.is_dir() else [_inside(root, path)]:
            count += 1
            yield each
    if not count:
        raise SourceError(f"{entry!r} matches no file in {root}", fix="correct the glob")


def _walked(root: Path, folder: Path, apart: Sequence[Path]) -> Iterator[Path]:
    """The files of a folder that are part of a source."""
    _inside(root, folder)
    for place, folders, names in os.walk(folder, onerror=_refuse):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not _is_left_out(root, here / name, apart))
        for name in folders:
            if (here / name).is_symlink():
                raise SourceError(
                    f"{(here / name).relative_to(root)} is a link to a folder",
                    fix="put the folder itself there, or name the files you need",
                )
        for name in names:
            path = here / name
            if not _is_left_out(root, path, apart):
                yield _inside(root, path)


def _is_left_out(root: Path, path: Path, apart: Sequence[Path]) -> bool:
    names = path.relative_to(root).parts
    places = [root.joinpath(*names[: count + 1]) for count in range(len(names))]
    return (
        any(name.startswith(".") or name == "__pycache__" for name in names)
        or path.suffix in (".pyc", ".pyo")
        or root / _BY_HAND in places
        or any((each / _ENVIRONMENT).is_file() for each in places)
        or any(each in places for each in apart)
    )


def _inside(root: Path, path: Path) -> Path:
    """A path whose links, if any, stay inside of the folder."""
    name = path.relative_to(root)
    if not path.exists():
        raise SourceError(f"{name} is a link to nothing", fix="remove it, or put the file there")
    if not (path.is_file() or path.is_dir()):
        raise SourceError(f"{name} is no regular file", fix="remove it, or name what you need")
    if not path.resolve().is_relative_to(root.resolve()):
        raise SourceError(
            f"{name} is a link that leads outside of {root}, to {path.resolve()}",
            fix="put a copy of the file there",
        )
    return path


def _refuse(error: OSError) -> None:
    raise SourceError(
        f"{error.filename} cannot be read: {error.strerror}", fix="allow it to be read"
    ) from error


def _similar(path: Path) -> str:
    try:
        return similar(path.name, [each.name for each in path.parent.iterdir()])
    except OSError:
        return ""


def _changed(root: Path) -> SourceError:
    return SourceError(
        f"a file of the source in {root} was changed while it was copied",
        fix="run the same command again: it plans with the files as they are then",
    )
