"""One runner at a time per state directory."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from agents.errors import Locked, unusable
from agents.machine import lock_file

__all__ = ["LOCK_NAME", "Owner", "exclusive", "holder", "written_owner"]

LOCK_NAME = "run.lock"


@contextmanager
def exclusive(state: Path, owner: dict[str, str]) -> Iterator[None]:
    """Hold the lock of ``state`` for the length of the block.

    The kernel gives the lock back when the process ends, however it ends, so a killed run never
    leaves it behind.

    Args:
        state: The state directory; made when missing.
        owner: Who holds it, for the message another runner gets.

    Raises:
        Locked: Another process holds it.
        UsageError: The state directory cannot be written to.
        ActionFailed: Its disk is full.
    """
    path = state / LOCK_NAME
    with _opened(path) as file:
        try:
            lock_file(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB, path)
        except BlockingIOError:
            raise Locked(
                f"another run holds {path}{_owner(path)}",
                fix="wait for it, or use another state directory (state=DIR)",
            ) from None
        try:
            # unbuffered: what a full disk refuses must not be tried again when the file is closed
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), **owner}).encode())
        except OSError as error:
            raise unusable(path.parent, error) from error
        yield


class Owner(NamedTuple):
    """The process that holds the lock, and its run."""

    pid: int
    run: str


def holder(state: Path) -> Owner | None:
    """Who holds the lock of ``state`` now; None: nobody.

    Whether a living process holds it the kernel says, not the text in the file.
    """
    path = state / LOCK_NAME
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return written_owner(state)
    except OSError:
        return None
    return None


def written_owner(state: Path) -> Owner | None:
    """Who held the lock of ``state`` last, whether or not it still does."""
    try:
        said = json.loads((state / LOCK_NAME).read_text(encoding="utf-8"))
        return Owner(int(said["pid"]), str(said["run"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _opened(path: Path) -> FileIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileIO(path, "a+")
    except OSError as error:
        raise unusable(path.parent, error) from error


def _owner(path: Path) -> str:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""  # the holder is just writing it; the name is only a courtesy
    return f" (pid {held.get('pid')}, run {held.get('run', '?')}, {held.get('goal', '?')})"
