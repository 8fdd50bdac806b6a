"""Starting a run that outlives the server, and stopping one."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.command import command
from agents.errors import ActionFailed, UsageError
from agents.mcp.door import Refused
from agents.run.lock import LOCK_NAME
from goap_start import PROGRAM

__all__ = ["OUTPUT_NAME", "cancel", "launch"]

OUTPUT_NAME = "run.out"
"""What the newest launched run printed, in the state directory."""

START_SECONDS = 60.0
POLL_SECONDS = 0.02


def launch(
    words: Sequence[str],
    state: Path,
    *,
    program: Sequence[str] = PROGRAM,
    start_seconds: float = START_SECONDS,
) -> dict[str, Any]:
    """Start ``run WORDS`` as a process of its own, and return as soon as it holds the lock.

    Returns:
        ``run`` is its id, or None when the goal held already; ``pid``; ``output``.

    Raises:
        Refused: It ended before it began; what it said.
    """
    state.mkdir(parents=True, exist_ok=True)
    output = state / OUTPUT_NAME
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*program, "run", *words, f"state={state}", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it goes on when the server ends
        )
    # whoever starts a process has to ask how it ended, or it stays behind as a zombie
    threading.Thread(target=process.wait, daemon=True).start()
    deadline = time.monotonic() + start_seconds
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        owner = _owner(state)
        if owner.get("pid") == process.pid:
            return {"run": owner["run"], "pid": process.pid, "output": str(output)}
        if ended:
            return _never_began(output, process.pid)
        time.sleep(POLL_SECONDS)
    process.terminate()
    raise Refused.because(
        ActionFailed(f"the run did not begin within {start_seconds:g} s", fix=f"read {output}")
    )


def _never_began(output: Path, pid: int) -> dict[str, Any]:
    text = output.read_text(encoding="utf-8", errors="replace")
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            document = json.loads(line)
            if not document["ok"]:
                raise Refused(document["error"])
            return {"run": document["data"]["run"], "pid": pid, "output": str(output)}
    raise Refused.because(ActionFailed("the run ended at once", fix=f"read {output}"))


def cancel(run: str, state: Path) -> dict[str, Any]:
    """Ask a run to end, as Ctrl-C would; the next run of its goal continues.

    Raises:
        Refused: It is not running here.
    """
    owner = _owner(state)
    if owner.get("run") != run or not _is_held(state):
        raise Refused.because(UsageError(f"the run {run} is not running", fix=command("runs")))
    os.kill(int(owner["pid"]), signal.SIGTERM)
    return {"run": run, "pid": owner["pid"], "cancelled": True}


def _owner(state: Path) -> dict[str, Any]:
    try:
        owner = json.loads((state / LOCK_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _is_held(state: Path) -> bool:
    """Whether a living process holds the lock: the kernel says, not the text in the file."""
    with (state / LOCK_NAME).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
