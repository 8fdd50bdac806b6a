"""Asking one run to end, whoever's process it is in: a watcher goes on with its other goals."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.errors import unusable

__all__ = ["ask_to_end", "cancellable"]

FOLDER = "cancelled"
POLL_SECONDS = 0.1


@contextmanager
def cancellable(state: Path, run: str, stop: threading.Event) -> Iterator[threading.Event]:
    """An event for the length of the block, set when ``stop`` is, or when the run should end."""
    own, over = threading.Event(), threading.Event()
    path = _path(state, run)

    def watch() -> None:
        while not over.wait(POLL_SECONDS):
            if stop.is_set() or path.exists():
                own.set()
                return

    watching = threading.Thread(target=watch, name=f"cancel {run}", daemon=True)
    watching.start()
    try:
        yield own
    finally:
        over.set()
        watching.join()
        path.unlink(missing_ok=True)


def ask_to_end(state: Path, run: str) -> None:
    """Ask a run that goes on in ``state`` to end, as Ctrl-C would.

    Raises:
        UsageError: The state directory cannot be written to.
    """
    path = _path(state, run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise unusable(state, error) from error


def _path(state: Path, run: str) -> Path:
    return state / FOLDER / run
