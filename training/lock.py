"""One process trains a key: a file lock that lives exactly as long as the process that holds it."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from training.compute import LOOK_SECONDS, LOOKS
from training.durable import write_whole
from training.errors import TrainingError
from training.result import TrainingDirectory


@contextmanager
def holding(directory: TrainingDirectory, descriptor: int | None = None) -> Iterator[None]:
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
        if not _taken(lock):
            raise TrainingError(
                f"another process trains {directory.key} already",
                fix=f"wait for it, or: python -m training stop --key {directory.key}",
                code="already_running",
            )
        if descriptor is None:
            owner = {"pid": os.getpid(), "started": datetime.now(UTC).isoformat(timespec="seconds")}
            write_whole(directory.owner_path, json.dumps(owner) + "\n")
        yield
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    """Take the lock; whoever only looks whether a training runs lets go in an instant."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        else:
            return True
    return False
