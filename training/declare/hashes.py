"""Digests of files, remembered by path, size, times and inode: no gigabyte is read twice.

A file that was written within the last two seconds is read again the next time: it may be written
once more without a trace, as clocks of file systems tick slowly (git calls such an entry racy).
What is remembered is only ever a help: damaged, locked or unwritable, it is done without.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from training.key import content_digest, digest_of_files
from training.store.durable import sha256_of

__all__ = ["Hashes"]

RACY_NANOSECONDS = 2_000_000_000
KEPT_SECONDS = 90 * 86400
"""After so long a digest is computed again, and old ones are forgotten."""

_PATIENCE_SECONDS = 1.0
_AT_ONCE = 256
_TABLE = (
    "CREATE TABLE IF NOT EXISTS digests "
    "(stamp TEXT PRIMARY KEY, digest TEXT, proof TEXT, seen INTEGER) WITHOUT ROWID"
)


class Hashes:
    """Digests of files, with a memory of them.

    Args:
        path: The file that remembers them, an SQLite database; None: nothing is remembered.
        clock: Nanoseconds since 1970, by the clock of the files.
    """

    def __init__(self, path: Path | None, clock: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock = clock

    def of_source(self, root: Path, files: Sequence[Path]) -> str:
        """`training.key.digest_of_files`: names below a folder, and bytes."""
        with self._memory() as memory:
            stamps = [_Stamp(path) for path in files]
            whole = _digest_of_lines(f"source\n{root}", stamps)
            return memory.digest(whole, stamps, lambda: digest_of_files(root, files))

    def of_files(self, root: Path, files: Iterable[Path]) -> tuple[str, int]:
        """64 hex digits of names below a folder and of contents, each read once; and the bytes."""
        with self._memory() as memory:
            stamps = [_Stamp(path) for path in files]
            whole = _digest_of_lines(f"files\n{root}", stamps)
            digest = memory.digest(whole, stamps, lambda: _of_files(memory, root, stamps))
        return digest, sum(stamp.size for stamp in stamps)

    @contextmanager
    def _memory(self) -> Iterator["_Memory"]:
        memory = _Memory(self._path, self._clock())
        try:
            yield memory
        finally:
            memory.close()


def _of_files(memory: "_Memory", root: Path, stamps: Sequence["_Stamp"]) -> str:
    return content_digest(
        (
            Path(stamp.path).relative_to(root).as_posix(),
            stamp.size,
            memory.digest(_digest(f"file\n{stamp.text}"), [stamp], _Reading(stamp.path)),
        )
        for stamp in stamps
    )


class _Reading:
    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self) -> str:
        return sha256_of(Path(self.path))


class _Stamp:
    """What changes when a file does, as far as the file system says.

    There is one for each file of a folder at the same time, so it holds little.
    """

    __slots__ = ("size", "text", "written")

    def __init__(self, path: str | Path) -> None:
        status = Path(path).stat()
        self.size = status.st_size
        # a program may set the time of writing back, but not that of the last change
        self.written = max(status.st_mtime_ns, status.st_ctime_ns)
        times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
        self.text = f"{os.fspath(path)}\0{status.st_size} {times} {status.st_ino}"

    @property
    def path(self) -> str:
        """The file."""
        return self.text.partition("\0")[0]


class _Memory:
    """The database while it is open; without one, everything is computed."""

    def __init__(self, path: Path | None, now: int) -> None:
        self._path = path
        self._now = now
        self._connection = None if path is None else _opened(path)
        self._new: dict[str, str] = {}

    def digest(self, stamp: str, files: Sequence[_Stamp], compute: Callable[[], str]) -> str:
        """What is remembered under a stamp; else computed, and remembered if the files rest."""
        stored = self._read(stamp)
        if stored is not None:
            return stored
        digest = compute()
        if all(each.written < self._now - RACY_NANOSECONDS for each in files) and _unchanged(files):
            self._new[stamp] = digest
            if len(self._new) >= _AT_ONCE:
                self._keep()
        return digest

    def close(self) -> None:
        """Keep what was added."""
        self._keep()
        if self._connection is not None:
            self._connection.close()

    def _read(self, stamp: str) -> str | None:
        if self._connection is None:
            return None
        oldest = self._now // 10**9 - KEPT_SECONDS
        try:
            row = self._connection.execute(
                "SELECT digest, proof FROM digests WHERE stamp = ? AND seen > ?", (stamp, oldest)
            ).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        # a damaged line must not become a wrong key
        return row[0] if row is not None and row[1] == _digest(f"{stamp} {row[0]}") else None

    def _keep(self) -> None:
        """Write what is new in one short transaction: others write here as well."""
        if self._connection is None or not self._new:
            return
        seconds = self._now // 10**9
        rows = [
            (stamp, digest, _digest(f"{stamp} {digest}"), seconds)
            for stamp, digest in self._new.items()
        ]
        self._new.clear()
        try:
            with self._connection:
                old = (seconds - KEPT_SECONDS,)
                self._connection.execute("DELETE FROM digests WHERE seen <= ?", old)
                insert = "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)"
                self._connection.executemany(insert, rows)
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: sqlite3.Error) -> None:
        """Do without; a database that is damaged is begun anew by the next one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._path is not None and not isinstance(error, sqlite3.OperationalError):
            with suppress(OSError):
                self._path.unlink()


def _unchanged(files: Sequence[_Stamp]) -> bool:
    """Whether the files are what they were before they were read."""
    with suppress(OSError):
        return all(_Stamp(each.path).text == each.text for each in files)
    return False


def _opened(path: Path) -> sqlite3.Connection | None:
    """The database at a path; a damaged one is begun anew, and None where there can be none."""
    for attempt in (1, 2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=_PATIENCE_SECONDS)
        except (OSError, sqlite3.Error):
            return None
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_TABLE)
            connection.commit()
        except sqlite3.OperationalError:
            connection.close()
            return None  # locked, read-only, no room
        except sqlite3.DatabaseError:
            connection.close()
            if attempt == 1:
                with suppress(OSError):
                    path.unlink()
        else:
            return connection
    return None


def _digest_of_lines(first: str, stamps: Iterable[_Stamp]) -> str:
    digest = hashlib.sha256(first.encode("utf-8", "surrogateescape"))
    for stamp in stamps:
        digest.update(f"\n{stamp.text}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
