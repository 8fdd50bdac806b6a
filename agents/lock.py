"""One runner at a time per state directory."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.errors import Locked

__all__ = ["LOCK_NAME", "exclusive"]

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
    """
    state.mkdir(parents=True, exist_ok=True)
    path = state / LOCK_NAME
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(
                f"another run holds {path}{_owner(path)}",
                fix="wait for it, or use another state directory (state=DIR)",
            ) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), **owner}))
        file.flush()
        yield


def _owner(path: Path) -> str:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""  # the holder is just writing it; the name is only a courtesy
    return f" (pid {held.get('pid')}, run {held.get('run', '?')}, {held.get('goal', '?')})"
