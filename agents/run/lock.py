"""Who runs in a state directory: one run for each thing that is asked for."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from agents.errors import Locked, unusable
from agents.machine import lock_file

__all__ = ["LOCKS", "LOCK_NAME", "Owner", "exclusive", "holders", "owner_of", "running", "shared"]

LOCK_NAME = "run.lock"
"""Held by all runs together; versions that knew one run at a time hold it alone."""

LOCKS = "locks"
_RUNS = "run-*.lock"
LOOKS = 5
LOOK_SECONDS = 0.01


@contextmanager
def running(state: Path, what: str, owner: Mapping[str, str]) -> Iterator[None]:
    """Be the only run for this in ``state``, for the length of the block.

    The kernel gives the locks back when the process ends, however it ends, so a killed run never
    leaves them behind.

    Args:
        state: The state directory; made when missing.
        what: Digest of what is asked for; runs for other things go on beside it.
        owner: Who holds it, for the message another runner gets.

    Raises:
        Locked: Another run is for the same.
        UsageError: The state directory cannot be written to.
        ActionFailed: Its disk is full.
    """
    name = f"{LOCKS}/{_RUNS.replace('*', what[:16])}"
    with shared(state, {}, name=LOCK_NAME), exclusive(state, owner, name=name):
        yield


@contextmanager
def exclusive(state: Path, owner: Mapping[str, str], *, name: str = LOCK_NAME) -> Iterator[None]:
    """Hold a lock in ``state`` alone for the length of the block, and write who does.

    Raises:
        Locked: Another process holds it.
        UsageError: The state directory cannot be written to.
        ActionFailed: Its disk is full.
    """
    with _held(state, name, fcntl.LOCK_EX) as file:
        try:
            # unbuffered: what a full disk refuses must not be tried again when the file is closed
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), **owner}).encode())
        except OSError as error:
            raise unusable(state, error) from error
        yield


@contextmanager
def shared(state: Path, _owner: Mapping[str, str], *, name: str) -> Iterator[None]:
    """Hold a lock in ``state`` with others for the length of the block.

    Raises:
        Locked: A process holds it alone.
        UsageError: The state directory cannot be written to.
    """
    with _held(state, name, fcntl.LOCK_SH):
        yield


class Owner(NamedTuple):
    """The process that holds a lock, its run and the goal of that."""

    pid: int
    run: str
    goal: str = ""


def holders(state: Path) -> list[Owner]:
    """The runs that go on in ``state`` now, in no order."""
    folder = state / LOCKS
    paths = [*folder.glob(_RUNS)] if folder.is_dir() else []
    owners = [owner_of(path) for path in [*paths, state / LOCK_NAME]]
    return [owner for owner in owners if owner is not None]


def owner_of(path: Path) -> Owner | None:
    """Who holds a lock alone; None: nobody.

    Whether a living process holds it the kernel says, not the text in the file.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(path)
    except OSError:
        return None
    return None


def _written(path: Path) -> Owner | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Owner(int(said["pid"]), str(said["run"]), str(said.get("goal", "")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


@contextmanager
def _held(state: Path, name: str, how: int) -> Iterator[FileIO]:
    path = state / name
    with _opened(path, state) as file:
        if not _taken(file, how, path):
            raise Locked(
                f"another run holds {path}{_named(path)}",
                fix="wait for it, or use another state directory (state=DIR)",
            )
        yield file


def _taken(file: FileIO, how: int, path: Path) -> bool:
    """Take a lock; one that stays taken belongs to a run, not to somebody who looks."""
    for _ in range(LOOKS):
        try:
            lock_file(file.fileno(), how | fcntl.LOCK_NB, path)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        else:
            return True
    return False


def _opened(path: Path, state: Path) -> FileIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileIO(path, "a+")
    except OSError as error:
        raise unusable(state, error) from error


def _named(path: Path) -> str:
    owner = _written(path)
    # the holder may be just writing it; the name is only a courtesy
    return "" if owner is None else f" (pid {owner.pid}, run {owner.run}, {owner.goal or '?'})"
