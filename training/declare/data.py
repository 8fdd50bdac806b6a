"""The data of a training: a folder, a bucket, or what a command made; known by its content.

On the volume it is ``datasets/<digest>/files`` and, last, ``manifest.json``. What a command made is
remembered under the identity of that command. What another training
wrote stays where it is, and so does a bucket.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from training.declare.hashes import Hashes
from training.declare.prepare import Prepare
from training.declare.source import files_of
from training.errors import DataError
from training.runner.bucket import Bucket
from training.runner.command import words_of
from training.runner.making import FORMAT, manifest_name
from training.store.durable import sha256_of
from training.store.layout import dataset_files, dataset_name, source_name
from training.store.volume import Volume

if TYPE_CHECKING:
    from training.declare.training import Training

__all__ = [
    "DataError",
    "Placed",
    "data_files",
    "folder_of",
    "identity_of",
    "is_placed",
    "manifest_name",
    "placed_of",
    "read_source",
    "verify_data",
]


@dataclass(frozen=True)
class Placed:
    """Where data is on a volume, or will be.

    Attributes:
        digest: 64 hex digits of names and contents.
        path: The directory that its script sees, below the volume; empty in a bucket.
        label: What a person calls it.
        bucket: Where it is instead of on the volume.
    """

    digest: str
    path: str
    label: str
    bucket: Bucket | None = None


def placed_of(training: "Training", volume: Volume, hashes: Hashes) -> Placed | None:
    """Where the data of a training is on a volume, or will be.

    Args:
        training: It declares a folder, a bucket, or a command that makes the data.
        volume: Remembers what a command made.
        hashes: Remembers digests, so that no folder is read twice.

    Returns:
        None where only running the command tells, or nothing is declared.

    Raises:
        DataError: A folder is not there, or cannot be read.
    """
    data = training.data
    if isinstance(data, Prepare):
        digest = read_source(volume, identity_of(training.folder, data, hashes))
        return None if digest is None else Placed(digest, dataset_files(digest), label_of(data))
    if isinstance(data, Bucket):
        return Placed(data.digest, "", data.label, data)
    if not isinstance(data, str | Path):
        return None
    folder = folder_of(training.folder, data)
    digest, _ = hashes.of_files(folder, data_files(folder))
    return Placed(digest, dataset_files(digest), folder.name or str(folder))


def is_placed(volume: Volume, placed: Placed) -> bool:
    """Whether the data is on the volume, whole."""
    return volume.exists(manifest_name(placed.digest))


def verify_data(root: Path, digest: str) -> bool:
    """Read every byte of data on a volume of this machine, and compare it with its manifest.

    Returns:
        False where it is data of another kind, which its own room verifies.

    Raises:
        DataError: A file is missing, or its checksum differs.
    """
    try:
        manifest = json.loads((root / manifest_name(digest)).read_bytes())
        files = manifest["files"] if manifest["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        return False
    place = root / dataset_files(digest)
    for name, expected in sorted((files or {}).items()):
        try:
            sha256 = sha256_of(place / name)
        except OSError as error:
            raise _damaged(root, digest, name, error.strerror or "it cannot be read") from error
        if sha256 != expected["sha256"]:
            why = f"it has sha256 {sha256[:12]}, not {expected['sha256'][:12]}"
            raise _damaged(root, digest, name, why)
    return files is not None


def _damaged(root: Path, digest: str, name: str, why: str) -> DataError:
    return DataError(
        f"{name} of data {digest[:12]} is damaged: {why}",
        fix=f"rm -r {root / dataset_name(digest)}, then run the goal again: it is prepared anew",
    )


def label_of(data: Prepare) -> str:
    """What people call the data that a command makes: the command."""
    return " ".join(words_of(data.command, shell=data.shell))


def identity_of(root: Path, data: Prepare, hashes: Hashes) -> str:
    """64 hex digits of a command that makes data: its words, its source, and what it reads.

    Raises:
        DataError: An input is not there.
        SourceError: A file of its source is not.
    """
    inputs = []
    for name in data.inputs:
        path = folder_of(root, name, file=True)
        folder, files = (path, data_files(path)) if path.is_dir() else (path.parent, iter([path]))
        inputs.append([name, hashes.of_files(folder, files)[0]])
    content = {
        "command": words_of(data.command, shell=data.shell),
        "shell": data.shell,
        "source": hashes.of_source(root, files_of(root, data.source)),
        "inputs": inputs,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_source(volume: Volume, identity: str) -> str | None:
    """The digest of what a command made; None where it made nothing here yet."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        stored = json.loads(volume.read_bytes(source_name(identity)))
        if stored["identity"] == identity and isinstance(stored["digest"], str):
            return str(stored["digest"])
    return None


def folder_of(root: Path, name: str | Path, *, file: bool = False) -> Path:
    """The folder that a declaration names: absolute, or relative to the file that declares.

    Args:
        root: The folder of that file.
        name: As it was written.
        file: Whether it may be a file.

    Raises:
        DataError: There is none, it holds nothing, or it holds the declaration itself.
    """
    if not str(name).strip():
        raise DataError("the name of the folder is empty", fix="name a folder")
    path = Path(name)
    with suppress(RuntimeError):  # nobody has the home that is named: no such folder, then
        path = path.expanduser()
    path = Path(os.path.normpath(root / path))
    if path.is_file():
        if file:
            return path
        raise DataError(f"{str(name)!r} is a file", fix="put it into a folder, and name that")
    if not path.is_dir():
        raise DataError(f"there is no folder {path}", fix="correct the name")
    if not file and (path == root or path in root.parents):
        raise DataError(
            f"{str(name)!r} holds the declaration itself", fix="put the data into a folder below it"
        )
    if next(data_files(path), None) is None:
        raise DataError(f"{path} holds no file", fix="put the data there, or name another folder")
    return path


def data_files(folder: Path, *, hidden: bool = False) -> Iterator[Path]:
    """The files of a folder of data, in the order of their names; links are followed.

    Args:
        folder: The folder.
        hidden: Whether what is hidden counts.

    Raises:
        DataError: Something cannot be read, or is no regular file.
    """
    yield from _walked(folder, hidden, frozenset())


def _walked(folder: Path, hidden: bool, above: frozenset[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        return  # a link to a folder that holds it
    try:
        entries = sorted(os.scandir(folder), key=_name)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read: {error.strerror}", fix="allow it to be read"
        ) from error
    for entry in entries:
        if entry.name.startswith(".") and not hidden:
            continue
        if entry.is_dir():
            yield from _walked(folder / entry.name, hidden, above | {real})
        elif entry.is_file():
            yield folder / entry.name
        else:
            raise DataError(
                f"{entry.path} is no regular file, or a link to nothing", fix=f"rm {entry.path}"
            )


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
