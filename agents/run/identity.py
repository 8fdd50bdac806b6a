"""Runs: their ids, how they end, and closing those that were killed."""

import importlib.metadata
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.declare.facts import WorldState
from agents.ledger.events import Event, new_event, utc_now
from agents.ledger.payloads import RunFinished, RunStarted
from agents.ledger.store import Ledger

__all__ = [
    "RunResult",
    "close_lost_runs",
    "continued_runs",
    "new_run_id",
    "open_runs",
    "program_version",
]

CONTINUED = ("lost", "interrupted")


@dataclass(frozen=True)
class RunResult:
    """How a run ended: what it did and what is true now."""

    run: str
    goal: str
    status: str
    seconds: float
    steps: tuple[str, ...]
    world: WorldState


def new_run_id(clock: Callable[[], datetime] = utc_now) -> str:
    """A run id that sorts by time and is short enough to type."""
    return f"{clock():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def open_runs(ledger: Ledger) -> dict[str, str]:
    """Runs whose end was not written, with their goals: one may run now, others were killed."""
    started = {event.run: event.subject for event in ledger.events(types=(RunStarted.kind,))}
    finished = {event.run for event in ledger.events(types=(RunFinished.kind,))}
    return {run: goal for run, goal in started.items() if run not in finished}


def close_lost_runs(ledger: Ledger, clock: Callable[[], datetime] = utc_now) -> list[str]:
    """Close the runs that were killed; call it with the lock held. Returns their ids."""
    lost = open_runs(ledger)
    for run, goal in lost.items():
        killed = RunFinished(status="lost", message="the process was killed")
        ledger.append(new_event(killed, run=run, subject=goal, clock=clock))
    return list(lost)


def continued_runs(events: Iterable[Event], goal: str, params: dict[str, Any]) -> list[list[Event]]:
    """The events of each run that a new run of the goal continues, newest run first.

    These are the last runs of the same goal and parameters, as long as they were killed or
    interrupted; a run that ended by itself closes the account.
    """
    runs: dict[str, list[Event]] = {}
    for event in events:
        if event.run:
            runs.setdefault(event.run, []).append(event)
    found = []
    for own in reversed(list(runs.values())):
        began, ended = own[0].payload, own[-1].payload
        if not isinstance(began, RunStarted) or (began.goal, began.params) != (goal, params):
            continue
        if isinstance(ended, RunFinished) and ended.status not in CONTINUED:
            break
        found.append(own)
    return found


def program_version() -> str:
    """The version of this toolkit, for the records."""
    try:
        return importlib.metadata.version("goap-modal-agents")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
