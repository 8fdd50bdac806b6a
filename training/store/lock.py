"""One process trains a key: a file lock that lives exactly as long as the process that holds it."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from training.errors import TrainingError
from training.store.durable import write_whole

__all__ = ["Lockable", "acquire", "holding", "is_held", "write_owner"]

LOOKS, LOOK_SECONDS = 10, 0.02
"""Whoever looks whether a training runs holds its lock for an instant; a training holds on."""


class Lockable(Protocol):
    """A training on a volume that is a directory of this machine."""

    @property
    def key(self) -> str:
        """The training key."""

    @property
    def root(self) -> Path:
        """The volume's directory."""

    @property
    def path(self) -> Path:
        """Where everything of the training is."""

    @property
    def lock_path(self) -> Path:
        """What is locked."""

    @property
    def owner_path(self) -> Path:
        """Who holds, or last held, the lock."""


@contextmanager
def holding(directory: Lockable, descriptor: int | None = None) -> Iterator[None]:
    """Hold the lock of a training inside the block.

    Args:
        directory: The training.
        descriptor: The locked descriptor that a launcher handed over; without one, it is taken.

    Raises:
        TrainingError: Another process holds it (`already_running`).
    """
    directory.path.mkdir(parents=True, exist_ok=True)
    lock = descriptor
    if lock is None:
        lock = os.open(directory.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not acquire(lock):
            raise TrainingError(
                f"another process trains {directory.key} already",
                fix=f"wait for it, or: python -m training stop "
                f"--volume {directory.root} --key {directory.key}",
                code="already_running",
            )
        if descriptor is None:
            write_owner(directory, os.getpid())
        yield
    finally:
        os.close(lock)


def acquire(lock: int) -> bool:
    """Take the lock; one that stays taken belongs to a training, not to somebody who looks."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        else:
            return True
    return False


def is_held(lock: Path) -> bool:
    """Whether a training holds the lock of this file now."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # a shared lock: two who look at the same time do not see each other
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def write_owner(directory: Lockable, pid: int) -> None:
    """Keep who holds the lock, for people and for `stop`."""
    owner = {"pid": pid, "started": datetime.now(UTC).isoformat(timespec="seconds")}
    write_whole(directory.owner_path, json.dumps(owner) + "\n")
