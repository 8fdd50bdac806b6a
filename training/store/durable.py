"""Files that are whole or absent: written aside, synced, renamed; and their checksums."""

import ctypes
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from training.errors import DiskFull

__all__ = [
    "IF_FREE",
    "NO_ROOM",
    "TEMPORARY",
    "append_line",
    "begin_to_sync",
    "directory_lock",
    "disk_errors",
    "remove_abandoned",
    "replace_directory",
    "reserve_room",
    "sha256_of",
    "sync_directory",
    "temporary_directory",
    "write_whole",
]

TEMPORARY = ".tmp-"
IF_FREE = fcntl.LOCK_EX | fcntl.LOCK_NB

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CHUNK = 1 << 20


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn "no room" of any kind while writing `path` into `DiskFull`.

    Raises:
        DiskFull: With the path and the bytes that are free there.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        free = _free_bytes(path)
        raise DiskFull(
            f"no room to write {path}: {error.strerror} ({free:,} bytes free)",
            fix="free space, or drop old checkpoints: python -m training prune",
        ) from error


def _free_bytes(path: Path) -> int:
    for place in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return 0


def sync_directory(path: Path) -> None:
    """Make the names inside `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content` in one step; a reader sees the old file or the new one.

    Raises:
        DiskFull: There is no room; the old file is untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    aside = path.with_name(f".tmp-{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def append_line(path: Path, line: bytes, *, sync: bool = True) -> None:
    """Append a line, on a line of its own: one before it may have been torn by a kill.

    Args:
        path: The file, which is made where there is none.
        line: Without its end.
        sync: Whether it is to survive a power cut.

    Raises:
        OSError: There is no room.
    """
    with path.open("a+b") as file:
        if (end := file.seek(0, os.SEEK_END)) and file.seek(end - 1) and file.read(1) != b"\n":
            line = b"\n" + line
        file.write(line + b"\n")
        file.flush()
        if sync:
            os.fsync(file.fileno())


def reserve_room(descriptor: int, size: int) -> None:
    """Take the room for a new file of `size` bytes at once, where the file system can do that.

    A full disk is then found before anything is written, and writing waits less for the disk.

    Raises:
        OSError: There is no room.
    """
    if _call("fallocate", descriptor, ctypes.c_int(0), ctypes.c_int64(0), ctypes.c_int64(size)):
        number = ctypes.get_errno()
        if number in NO_ROOM:
            raise OSError(number, os.strerror(number))


def begin_to_sync(descriptor: int, start: int, size: int) -> None:
    """Let the disk begin with these bytes of a file while more are written; syncing waits less."""
    _call("sync_file_range", descriptor, ctypes.c_int64(start), ctypes.c_int64(size), _WRITE)


_WRITE = ctypes.c_uint(2)
"""SYNC_FILE_RANGE_WRITE: start, do not wait."""


def _call(name: str, descriptor: int, *arguments: object) -> int:
    """What Linux's function answers; 0 where there is none."""
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):
        return 0
    return int(function(descriptor, *arguments))


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def directory_lock(path: Path, how: int) -> Iterator[None]:
    """Hold a lock (`fcntl.LOCK_…`) on a directory itself; the latest end is that of the process.

    Raises:
        BlockingIOError: Another process holds it and `how` does not wait.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def temporary_directory(root: Path, stem: str) -> Iterator[Path]:
    """A new directory below `root`, locked as long as its writer lives; gone afterwards."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"{TEMPORARY}{stem}-{os.getpid()}-{secrets.token_hex(4)}"
    while True:
        path.mkdir()
        with directory_lock(path, fcntl.LOCK_SH):
            if not path.exists():
                continue  # a cleaner met it before it was locked
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
            return


def replace_directory(temporary: Path, final: Path) -> None:
    """Give a complete directory its final name; what had the name before is removed."""
    aside = final.with_name(f"{TEMPORARY}old-{final.name}-{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        final.rename(aside)
    temporary.rename(final)
    sync_directory(final.parent)
    shutil.rmtree(aside, ignore_errors=True)


def remove_abandoned(root: Path) -> None:
    """Remove the temporary directories below `root` whose writers died."""
    for path in sorted(root.glob(f"{TEMPORARY}*")):
        if path.is_dir() and not path.is_symlink():
            with suppress(BlockingIOError, FileNotFoundError), directory_lock(path, IF_FREE):
                shutil.rmtree(path, ignore_errors=True)
