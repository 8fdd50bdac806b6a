"""What is asked for, and runs: their ids, how they end, and closing those that were killed."""

import hashlib
import importlib.metadata
import json
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
from agents.ledger.events import Event, new_event, utc_now
from agents.ledger.history import by_run
from agents.ledger.payloads import RunFinished, RunStarted
from agents.ledger.store import Ledger

__all__ = [
    "Request",
    "RunResult",
    "close_lost_runs",
    "continued_runs",
    "new_run_id",
    "open_runs",
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
        return _digest({"goal": self.goal, "what": self.what, "how": self.how})

    @cached_property
    def what_digest(self) -> str:
        """What unfinished steps are found again by: however it was done, it is the same thing."""
        return _digest({"goal": self.goal, "what": self.what})

    def is_continued_from(self, run: RunStarted) -> bool:
        """Whether a run was after the same thing, however it went about it."""
        return Request(run.goal, run.what, {}).what_digest == self.what_digest


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


def _digest(value: object) -> str:
    text = json.dumps(_comparable(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _comparable(value: object) -> object:
    """The value with numbers that are equal written alike: 2.0 is 2."""
    if isinstance(value, Mapping):
        return {key: _comparable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_comparable(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


_ENDS = (RunStarted.kind, RunFinished.kind)
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


def open_runs(events: Iterable[Event]) -> dict[str, str]:
    """Runs whose end was not written, with their goals: one may run now, others were killed."""
    begun_or_ended = [each for each in events if each.type in _ENDS]
    started = {each.run: each.subject for each in begun_or_ended if each.type == RunStarted.kind}
    finished = {each.run for each in begun_or_ended if each.type == RunFinished.kind}
    return {run: goal for run, goal in started.items() if run not in finished}


def close_lost_runs(ledger: Ledger, clock: Callable[[], datetime] = utc_now) -> list[str]:
    """Close the runs that were killed; call it with the lock held. Returns their ids."""
    lost = open_runs(ledger.events(types=_ENDS))
    for run, goal in lost.items():
        killed = RunFinished(status="lost", message="the process was killed")
        ledger.append(new_event(killed, run=run, subject=goal, clock=clock))
    return list(lost)


def continued_runs(events: Iterable[Event], request: Request) -> list[list[Event]]:
    """The events of each run that a new run of the request continues, newest run first.

    These are the last runs for the same goal and *what*, as long as they were killed or
    interrupted: a run that ended by itself, and those before it, are not gone on with.
    """
    runs = []
    for own in reversed(list(by_run(events).values())):
        began, ended = own[0].payload, own[-1].payload
        if not isinstance(began, RunStarted) or not request.is_continued_from(began):
            continue
        if isinstance(ended, RunFinished) and ended.status not in CONTINUED:
            break
        runs.append(own)
    return runs


def program_version() -> str:
    """The version of this toolkit, for the records."""
    try:
        return importlib.metadata.version("goap-modal-agents")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
