"""What is asked for, and runs: their ids, how they end, and closing those that were killed."""

import importlib.metadata
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, JsonValue

from agents.declare.actions import Goal
from agents.declare.facts import WorldState
from agents.declare.parameters import canonical_of, role_of
from agents.ledger.events import new_event, utc_now
from agents.ledger.past import Past
from agents.ledger.payloads import RunFinished, RunStarted
from agents.ledger.payloads.runs import values_digest
from agents.ledger.projections.runs import open_runs, runs_since_an_end
from agents.ledger.store import Ledger

__all__ = [
    "Request",
    "RunResult",
    "close_lost_runs",
    "continued_runs",
    "new_run_id",
    "program_version",
    "request_of",
]


@dataclass(frozen=True)
class Request:
    """A goal and the canonical values of all its parameters: the same words or not, one request.

    Attributes:
        goal: The name of the goal.
        what: The values that decide what comes out.
        how: The values that decide only the way there.
    """

    goal: str
    what: Mapping[str, JsonValue]
    how: Mapping[str, JsonValue]

    @cached_property
    def digest(self) -> str:
        """What plans and approvals are bound to: every value is part of it."""
        return values_digest({"goal": self.goal, "what": self.what, "how": self.how})

    @cached_property
    def what_digest(self) -> str:
        """What unfinished steps are found again by: however it was done, it is the same thing."""
        return values_digest({"goal": self.goal, "what": self.what})

    def is_continued_from(self, run: RunStarted) -> bool:
        """Whether a run was after the same thing, however it went about it."""
        return run.what_digest == self.what_digest


def request_of(goal: Goal, params: BaseModel, state: Path) -> Request:
    """The request that these parameters make of a goal.

    Args:
        goal: The goal.
        params: Its parameters.
        state: The state directory, which some defaults depend on.
    """
    parts: dict[str, dict[str, JsonValue]] = {"what": {}, "how": {}}
    for name, value in sorted(canonical_of(params, state.absolute()).items()):
        parts[role_of(type(params), name)][name] = value
    return Request(goal.name, parts["what"], parts["how"])


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


def close_lost_runs(
    ledger: Ledger,
    clock: Callable[[], datetime] = utc_now,
    going_on: Callable[[], Iterable[str]] = tuple,
) -> list[str]:
    """Close the runs that were killed, and return their ids.

    Args:
        ledger: Where they began.
        clock: When they are closed.
        going_on: Looks which runs hold their lock.
    """
    # a run holds its lock before it writes that it began, and until it wrote that it ended
    begun = open_runs(ledger)
    alive = set(going_on()) if begun else set()
    still = open_runs(ledger)
    lost = [run for run in begun if run in still and run not in alive]
    for run in lost:
        killed = RunFinished(status="lost", message="the process was killed")
        # two who notice it at once write it once
        once = new_event(killed, run=run, subject=begun[run], clock=clock, id=f"lost {run}")
        ledger.receive(once)
    return lost


def continued_runs(past: Past, request: Request) -> list[Past]:
    """The events of each run that a new run of the request continues, newest run first.

    These are the last runs for the same goal and *what*, as long as they were killed or
    interrupted: a run that ended by itself, and those before it, are not gone on with.
    """
    runs = runs_since_an_end(past.ledger, request.what_digest, CONTINUED)
    return [past.of(run=run) for run in runs]


def program_version() -> str:
    """The version of this toolkit, for the records."""
    try:
        return importlib.metadata.version("goap-modal-agents")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
