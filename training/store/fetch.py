"""A finished model from a volume to a directory here: verified, resumed, in place at once.

What was got before a kill lies beside the directory and is not got again. Files are compared with
the hashes that the checkpoint's manifest promises, and that manifest with the training's verdict.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from training.errors import CheckpointError, ConfigError, TrainingError
from training.runner.ending import Reference
from training.store.commit import promised_of
from training.store.directory import TrainingDirectory
from training.store.durable import (
    IF_FREE,
    directory_lock,
    disk_errors,
    sha256_of,
    sync_directory,
    write_whole,
)
from training.store.volume import Volume

__all__ = ["CHECKPOINT", "Fetched", "fetch"]

CHECKPOINT: Final = "checkpoint"
"""The directory of the model below the one that was asked for."""

RESULT: Final = "result.json"
PIECE_BYTES: Final = 16 << 20
"""Read at once, so that memory does not depend on the model."""


@dataclass(frozen=True)
class Fetched:
    """What lies there now.

    Attributes:
        files: How many.
        bytes: Of all of them.
        got: Bytes that were read from the volume; the others were there already.
    """

    files: int
    bytes: int
    got: int


def fetch(directory: TrainingDirectory, checkpoint: Reference, to: Path) -> Fetched:
    """Bring a checkpoint and what the training says of its end to a directory.

    Args:
        directory: The training.
        checkpoint: The one that is wanted.
        to: A directory that is empty or not there; one that holds the same is left as it is.

    Raises:
        CheckpointError: It is not on the volume, or is another one than was promised.
        ConfigError: Something else lies there.
        DiskFull: There is no room.
        TrainingError: Another process is fetching it there.
    """
    with directory.volume.look():
        promised = promised_of(directory, checkpoint)
        placed = {name: _place(checkpoint, name) for name in sorted(promised)}
        said = {
            name: content
            for name in (directory.result_name, f"{directory.name}/{RESULT}")
            if (content := directory.read(name)) is not None
        }
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            return _there(to, promised, placed)
        with _beside(to, directory.key, checkpoint) as place, disk_errors(to):
            got = sum(
                _got(directory.volume, name, promised[name], place / inside)
                for name, inside in placed.items()
            )
            for name, content in said.items():
                write_whole(place / PurePosixPath(name).name, content)
            sizes = [(place / inside).stat().st_size for inside in placed.values()]
            place.rename(to)
            sync_directory(to.parent)
    told = sum(map(len, said.values()))
    return Fetched(len(sizes) + len(said), sum(sizes) + told, got + told)


def _place(checkpoint: Reference, name: str) -> Path:
    """Where a file of the volume goes.

    Raises:
        CheckpointError: The manifest names one that is outside of its directory.
    """
    inside = PurePosixPath(name).relative_to(checkpoint.path)
    if ".." in inside.parts:
        raise CheckpointError(f"{checkpoint.path} names a file outside of it: {inside}")
    return Path(CHECKPOINT, *inside.parts)


def _there(to: Path, promised: Mapping[str, str], placed: Mapping[str, Path]) -> Fetched:
    """What lies in a directory that is not empty, where that is what was asked for.

    Raises:
        ConfigError: It is not.
    """
    paths = {name: to / inside for name, inside in placed.items()}
    if all(path.is_file() and sha256_of(path) == promised[name] for name, path in paths.items()):
        files = [path for path in to.rglob("*") if path.is_file()]
        return Fetched(len(files), sum(path.stat().st_size for path in files), 0)
    raise ConfigError(
        f"{to} is not empty, and holds another model or nothing of one",
        fix="to=DIR that is empty or not there",
        code="not_empty",
    )


@contextmanager
def _beside(to: Path, key: str, checkpoint: Reference) -> Iterator[Path]:
    """The directory in which it is put together; its name says of what, so that it is found again.

    Raises:
        TrainingError: Another process has it.
    """
    place = to.parent / f".{to.name}.{key}-{checkpoint.sha256[:12]}.part"
    with disk_errors(place):
        place.mkdir(parents=True, exist_ok=True)
    try:
        with directory_lock(place, IF_FREE):
            yield place
    except BlockingIOError:
        raise TrainingError(
            f"another process is fetching {key} to {to}", fix="wait for it", code="already_running"
        ) from None


def _got(volume: Volume, name: str, promised: str, path: Path) -> int:
    """Bytes that had to be read until a file lies there as it was promised.

    Raises:
        CheckpointError: What the volume has is something else.
    """
    if path.exists() and sha256_of(path) == promised:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    got = _read(volume, name, part)
    if got < part.stat().st_size and sha256_of(part) != promised:
        part.unlink()  # what was there was of something else
        got += _read(volume, name, part)
    if (found := sha256_of(part)) != promised:
        part.unlink()
        raise CheckpointError(
            f"{name} on {volume.name} has sha256 {found[:12]}, its manifest says {promised[:12]}",
            fix="the damaged checkpoint is passed over; run the goal again",
            code="checksum_differs",
        )
    part.replace(path)
    return got


def _read(volume: Volume, name: str, part: Path) -> int:
    """Bytes that were added to a file until it is as long as that of the volume."""
    size = volume.size(name)
    if size is None:
        raise CheckpointError(f"{name} is gone from {volume.name}", code="file_missing")
    with part.open("ab") as file:
        begin = at = file.tell() if file.tell() <= size else file.truncate(0)
        while at < size and (piece := volume.read_range(name, at, min(PIECE_BYTES, size - at))):
            at += file.write(piece)
    return at - begin
