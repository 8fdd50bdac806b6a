"""How a run is: what runs, what is left, who is waited for; in few bytes, to be asked often."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import Field

from agents.command import command
from agents.declare.actions import Progress
from agents.ledger.events import Event
from agents.ledger.history import RunHistory
from agents.ledger.payloads import MoneyReserved, MoneySettled, PersonAwaited, StepStarted
from agents.run.remaining import Remaining, remaining
from agents.schemas.base import Exact
from agents.schemas.brief import BriefFailure, shortened
from agents.schemas.money import MoneyData

__all__ = ["MOST_PROGRESS_BYTES", "RunProgress", "RunningStep", "progress_of"]

MOST_PROGRESS_BYTES = 2000


class RunningStep(Exact):
    """A step that runs, and how far it is as far as it says so."""

    step: str
    seconds: float
    expected_seconds: float | None
    done: float | None = None
    total: float | None = None
    unit: str = ""
    text: str = ""
    eta_seconds: float | None = Field(None, description="by what the step says, or by its estimate")


class RunProgress(Exact):
    """How a run is now; the newest of it where it is much."""

    run: str
    goal: str
    status: str = Field(description="running, done, nothing to do, lost, or the code of an error")
    exit_code: int | None
    message: str
    seconds: float = Field(description="since it began, until now or its end")
    running: list[RunningStep]
    done: int = Field(description="steps that were done")
    pending: list[str] = Field(description="steps that did not start yet")
    eta_seconds: float | None = Field(description="until the end of the plan; null: nobody knows")
    waits_for: str = Field(description="a person, or another run; empty: nobody is waited for")
    failures: int
    last_failure: BriefFailure | None
    money: MoneyData
    paid_on: list[str] = Field(description="steps that cost money as long as they go on")
    sequence: int = Field(description="of the newest event; goap_wait after= takes it")


class _Room(NamedTuple):
    rows: int
    letters: int


_ROOMS = (_Room(12, 160), _Room(6, 100), _Room(3, 60), _Room(1, 40))


def progress_of(run: RunHistory, kept: Mapping[str, Progress], now: datetime) -> RunProgress:
    """How a run is, in at most `MOST_PROGRESS_BYTES`.

    Args:
        run: The run as the ledger tells it.
        kept: How far its running steps are, as they said.
        now: The time.
    """
    told = _told(run, kept, now, _ROOMS[0])
    for room in _ROOMS[1:]:
        text = json.dumps(told.model_dump(mode="json"), ensure_ascii=False)
        if len(text.encode("utf-8", "replace")) <= MOST_PROGRESS_BYTES:
            break
        told = _told(run, kept, now, room)
    return told


def _told(run: RunHistory, kept: Mapping[str, Progress], now: datetime, room: _Room) -> RunProgress:
    running = _running(run, kept, now, room) if run.status == "running" else []
    done = {row["step"] for row in run.steps if row["status"] == "verified"}
    left = Remaining((), None)
    if run.plans and run.status == "running":
        left = remaining(run.plans[-1], done, {each.step: each.eta_seconds for each in running})
    failures = run.failures
    return RunProgress(
        run=run.run,
        goal=run.goal,
        status=run.status,
        exit_code=run.exit_code,
        message=shortened(run.message, 2 * room.letters),
        seconds=_seconds(run.started, run.ended, now),
        running=running[-room.rows :],
        done=len(done),
        pending=list(left.pending)[: room.rows],
        eta_seconds=None if left.seconds is None else round(left.seconds, 1),
        waits_for=shortened(_waits_for(run), 2 * room.letters),
        failures=len(failures),
        last_failure=_failure(failures[-1], room) if failures else None,
        money=MoneyData(**run.money),
        paid_on=paid_on(run.events),
        sequence=run.events[-1].sequence if run.events else 0,
    )


def paid_on(events: Iterable[Event]) -> list[str]:
    """The actions for which money was set aside that is not booked: what they started costs on."""
    paying: dict[str, None] = {}
    for event in events:
        match event.payload:
            case MoneyReserved(action=action, usd=usd) if usd != 0:
                paying[action] = None
            case MoneySettled(action=action, meter=meter) if meter is None or not meter.running:
                paying.pop(action, None)
    return list(paying)


def _running(
    run: RunHistory, kept: Mapping[str, Progress], now: datetime, room: _Room
) -> list[RunningStep]:
    begun = {
        event.payload.step: event for event in run.events if isinstance(event.payload, StepStarted)
    }
    steps = []
    for row in run.steps:
        if row["status"] not in ("running", "finished") or row["step"] not in begun:
            continue
        seconds, expected = _seconds(begun[row["step"]].time, "", now), row["expected_seconds"]
        eta = None if expected is None else max(0.0, round(expected - seconds, 1))
        said = kept.get(row["step"])
        if said is not None and said.eta_seconds is not None:
            eta = round(said.eta_seconds, 1)
        steps.append(
            RunningStep(
                step=row["step"],
                seconds=seconds,
                expected_seconds=expected,
                done=said and said.done,
                total=said and said.total,
                unit=said.unit if said is not None else "",
                text=shortened(said.text, room.letters) if said is not None else "",
                eta_seconds=eta,
            )
        )
    return steps


def _seconds(began: str, ended: str, now: datetime) -> float:
    if not began:
        return 0.0
    until = datetime.fromisoformat(ended) if ended else now
    return max(0.0, round((until - datetime.fromisoformat(began)).total_seconds(), 1))


def _waits_for(run: RunHistory) -> str:
    if run.status == "not_approved" and run.plans and run.plans[-1].approval:
        return f"a person to agree: {command(f'approve {run.run}')}"
    last = run.events[-1].payload if run.events else None
    if run.status == "running" and isinstance(last, PersonAwaited):
        return f"a person: {last.message}; {last.fix}"
    return ""


def _failure(failed: object, room: _Room) -> BriefFailure:
    told = {name: str(getattr(failed, name)) for name in ("step", "name", "message", "fix")}
    return BriefFailure(**{name: shortened(each, room.letters) for name, each in told.items()})
