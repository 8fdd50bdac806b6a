"""The volume: where training writes, a directory here or a Modal Volume there, behind one port.

Paths are relative to the volume's root, with forward slashes, and never have a mount prefix.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from training.store.durable import disk_errors, sha256_of, write_whole

__all__ = ["Found", "LocalVolume", "Volume"]


class Found(NamedTuple):
    """A file on a volume: its path, its bytes, and when it was written, in seconds since 1970."""

    path: str
    size: int
    time: float


class Volume(Protocol):
    """What training writes to and facts are read from.

    Attributes:
        name: How a person calls it.
        local_root: Its directory when it is on this machine, else None.
    """

    @property
    def name(self) -> str:
        """How a person calls it."""

    @property
    def local_root(self) -> Path | None:
        """Its directory when it is on this machine."""

    def look(self) -> AbstractContextManager[None]:
        """Within it a volume that takes requests lists each directory once, as of one moment."""

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""

    def read_bytes(self, path: str) -> bytes:
        """The content of a file."""

    def size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def read_range(self, path: str, start: int, length: int | None = None) -> bytes:
        """Bytes of a file from `start` on, all of them or at most `length`.

        A `start` below 0 counts from the end, and is the beginning of a file that is shorter.
        """

    def write_bytes(self, path: str, content: bytes) -> None:
        """Replace a file in one step."""

    def listdir(self, path: str) -> list[str]:
        """Names inside a directory, sorted; empty where there is none."""

    def files(self, path: str) -> list[Found]:
        """Every file below a directory, in one request; none where there is no such directory."""

    def remove(self, path: str) -> None:
        """Delete a file or a directory."""

    def upload(self, source: Path, path: str) -> None:
        """Copy ``source / path`` of this machine to ``path``, when the volume is elsewhere."""

    def commit(self) -> None:
        """Publish what was written."""

    def reload(self) -> None:
        """See what others published."""

    def sha256(self, path: str) -> str:
        """Hex digest of a file, of the bytes as they are read now."""


@contextmanager
def _none_below_a_file() -> Iterator[None]:
    """Where a file stands in the place of a directory, there is nothing in it."""
    try:
        yield
    except NotADirectoryError as error:
        raise FileNotFoundError(*error.args) from error


class LocalVolume:
    """A directory on this machine.

    Args:
        root: The directory; made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def name(self) -> str:
        """The directory."""
        return str(self._root)

    @property
    def local_root(self) -> Path:
        """The directory."""
        return self._root

    def look(self) -> AbstractContextManager[None]:
        """Nothing to save: reading it takes no requests."""
        return nullcontext()

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""
        return self._inside(path).exists()

    def read_bytes(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: There is none.
        """
        with _none_below_a_file():
            return self._inside(path).read_bytes()

    def size(self, path: str) -> int | None:
        """Bytes of a file; None where there is none."""
        target = self._inside(path)
        return target.stat().st_size if target.is_file() else None

    def read_range(self, path: str, start: int, length: int | None = None) -> bytes:
        """Bytes of a file from `start` on, or from its end; all of them or at most `length`.

        Raises:
            FileNotFoundError: There is none.
        """
        with _none_below_a_file(), self._inside(path).open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(start if start >= 0 else max(0, end + start))
            return file.read(-1 if length is None else length)

    def write_bytes(self, path: str, content: bytes) -> None:
        """Replace a file in one step.

        Raises:
            DiskFull: There is no room; the old file is untouched.
        """
        write_whole(self._inside(path), content)

    def listdir(self, path: str) -> list[str]:
        """Names inside a directory, sorted; empty where there is none."""
        directory = self._inside(path)
        return sorted(each.name for each in directory.iterdir()) if directory.is_dir() else []

    def files(self, path: str) -> list[Found]:
        """Every file below a directory; none where there is no such directory."""
        found = []
        for folder, _, names in os.walk(self._inside(path)):
            for name in names:
                file = Path(folder, name)
                with suppress(FileNotFoundError):  # deleted this moment
                    about = file.lstat()
                    below = file.relative_to(self._root).as_posix()
                    found.append(Found(below, about.st_size, about.st_mtime))
        return sorted(found)

    def remove(self, path: str) -> None:
        """Delete a file or a directory; a link is deleted, never what it points to."""
        target = self._inside(path)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def upload(self, source: Path, path: str) -> None:
        """Nothing when ``source`` is this directory; else a copy."""
        if source.absolute() == self._root:
            return
        with disk_errors(self._inside(path)):
            shutil.copytree(source / path, self._inside(path), dirs_exist_ok=True)

    def commit(self) -> None:
        """Nothing to do: every write is synced when it is made."""

    def reload(self) -> None:
        """Nothing to do: there is one copy."""

    def sha256(self, path: str) -> str:
        """Hex digest of a file."""
        return sha256_of(self._inside(path))

    def _inside(self, path: str) -> Path:
        parts = Path(path).parts
        if path.startswith("/") or ".." in parts:
            raise ValueError(f"{path!r} leaves the volume {self._root}")
        return self._root.joinpath(*parts)
