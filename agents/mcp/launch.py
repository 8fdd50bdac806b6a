"""Starting a run that outlives the server."""

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agents.command import command
from agents.errors import ActionFailed, GoapError, Locked, NotApproved, StalePlan, UsageError
from agents.run.lock import holder, written_owner
from goap_start import PROGRAM

__all__ = ["OUTPUT_NAME", "Launched", "launch"]

OUTPUT_NAME = "run.out"
"""What the newest launched run printed, in the state directory."""

START_SECONDS = 60.0
POLL_SECONDS = 0.02

_ENDINGS = {kind.exit_code: kind for kind in (UsageError, NotApproved, StalePlan, Locked)}


class Launched(NamedTuple):
    """A run that began: its id, None when the goal held already; its process; what it prints."""

    run: str | None
    pid: int
    output: str


def launch(
    words: Sequence[str],
    state: Path,
    *,
    program: Sequence[str] = PROGRAM,
    start_seconds: float = START_SECONDS,
) -> Launched:
    """Start ``run WORDS`` as a process of its own, and return as soon as it holds the lock.

    Raises:
        GoapError: It ended before it began.
    """
    state.mkdir(parents=True, exist_ok=True)
    output = state / OUTPUT_NAME
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*program, "run", "--", *words, f"state={state}"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it goes on when the server ends
        )
    # whoever starts a process has to ask how it ended, or it stays behind as a zombie
    threading.Thread(target=process.wait, daemon=True).start()
    deadline = time.monotonic() + start_seconds
    while time.monotonic() < deadline:
        code = process.poll()
        owner = written_owner(state)
        if owner is not None and owner.pid == process.pid:
            return Launched(owner.run, process.pid, str(output))
        if code == 0:
            return Launched(None, process.pid, str(output))
        if code is not None:
            raise _never_began(state, code, output)
        time.sleep(POLL_SECONDS)
    process.terminate()
    raise ActionFailed(f"the run did not begin within {start_seconds:g} s", fix=f"read {output}")


def _never_began(state: Path, code: int, output: Path) -> GoapError:
    kind = _ENDINGS.get(code, ActionFailed)
    owner = holder(state) if kind is Locked else None
    if owner is not None:
        return Locked(
            f"the run {owner.run} (pid {owner.pid}) goes on in {state}",
            fix=f"wait for it: {command('runs')}, or goap_cancel",
        )
    return kind(f"the run ended before it began, with exit code {code}", fix=f"read {output}")
