"""Starting a run that outlives the server."""

import secrets
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from agents.command import command
from agents.errors import ActionFailed, GoapError, Locked, NotApproved, StalePlan, UsageError
from agents.run.lock import holders
from goap_start import PROGRAM

__all__ = ["OUTPUTS", "Launched", "launch"]

OUTPUTS = "outputs"
"""The folder of the state directory that holds what launched runs printed, one file each."""

MOST_OUTPUTS = 20
MOST_SAID = 500

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
    """Start ``run WORDS`` as a process of its own, and return as soon as it goes on.

    Raises:
        GoapError: It ended before it began.
    """
    folder = state / OUTPUTS
    folder.mkdir(parents=True, exist_ok=True)
    # a file of its own: whoever is refused writes over nothing of the run that goes on
    output = folder / f"{secrets.token_hex(4)}.out"
    with output.open("xb") as file:
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
        owner = next((each for each in holders(state) if each.pid == process.pid), None)
        if owner is not None:
            return Launched(owner.run, process.pid, str(_kept(output, owner.run)))
        if code == 0:
            return Launched(None, process.pid, str(output))
        if code is not None:
            raise _never_began(state, code, output)
        time.sleep(POLL_SECONDS)
    process.terminate()
    raise ActionFailed(f"the run did not begin within {start_seconds:g} s", fix=f"read {output}")


def _kept(output: Path, run: str) -> Path:
    """What a run prints, under its name; the oldest of many are deleted."""
    named = output.with_name(f"{run}.out")
    output.rename(named)  # it is written on into the same file
    for old in sorted(output.parent.glob("*-*.out"))[:-MOST_OUTPUTS]:
        old.unlink(missing_ok=True)
    return named


def _never_began(state: Path, code: int, output: Path) -> GoapError:
    said = " ".join(output.read_text(encoding="utf-8", errors="replace").split())[-MOST_SAID:]
    output.unlink(missing_ok=True)
    kind = _ENDINGS.get(code, ActionFailed)
    owners = holders(state) if kind is Locked else []
    if owners:
        runs = ", ".join(f"{owner.run} (pid {owner.pid}, {owner.goal})" for owner in owners)
        return Locked(
            f"a run for the same goes on in {state}: {runs}",
            fix=f"wait for it: goap_wait, or {command('runs')}; goap_cancel ends it",
        )
    return kind(f"the run ended before it began, with exit code {code}: {said}", fix="goap_plan")
