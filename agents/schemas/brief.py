"""A run told in few bytes: what an agent pays for when it asks how a run is, or was."""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pydantic import Field

from agents.declare.work import Work
from agents.ledger.history import RunHistory
from agents.ledger.redaction import redact
from agents.schemas.base import Exact
from agents.schemas.money import MoneyData

__all__ = ["MOST_BYTES", "BriefFailure", "BriefPlan", "BriefRun", "BriefStep", "brief", "shortened"]

MOST_BYTES = 4000
"""No brief answer takes more, whatever happened."""


class BriefStep(Exact):
    """One step of a run, as far as it got."""

    step: str
    status: Literal["running", "finished", "verified", "failed"]
    seconds: float | None
    summary: str
    work: Work | None = Field(None, description="what went on when that was looked at last")


class BriefFailure(Exact):
    """What went wrong, and what mends it."""

    step: str
    name: str
    message: str
    fix: str


class BriefPlan(Exact):
    """The newest plan of a run."""

    digest: str
    steps: list[str]
    seconds: float
    usd: float | None = Field(description="null where nobody knows the price")
    approval: list[str] = Field(description="actions that a person must agree to")


class BriefRun(Exact):
    """The data of `show --json`: the newest steps and failures; `show RUN --events` has all."""

    run: str
    goal: str
    given: dict[str, Any] = Field(description="values as they were written")
    status: str = Field(description="running, done, nothing to do, lost, or the code of an error")
    exit_code: int | None
    message: str
    started: str
    ended: str
    plans: int = Field(description="how many plans there were")
    plan: BriefPlan | None
    steps: list[BriefStep]
    failures: list[BriefFailure]
    gates: list[str]
    files: list[str]
    money: MoneyData
    left_out: dict[str, int] = Field(description="how many older ones are not here, by field")
    events: int = Field(description="how many events there are")


class _Room(NamedTuple):
    rows: int
    letters: int


_ROOMS = (_Room(30, 160), _Room(15, 120), _Room(8, 100), _Room(4, 80), _Room(2, 60), _Room(1, 40))


def brief(run: RunHistory) -> BriefRun:
    """The run, in as much detail as fits into `MOST_BYTES`."""
    told = _told(run, _ROOMS[0])
    for room in _ROOMS[1:]:
        if _size(told) <= MOST_BYTES:
            break
        told = _told(run, room)
    return told


def shortened(text: str, letters: int) -> str:
    """``text`` in at most so many letters, on one line, without secrets.

    They are hidden first: half a secret would not be known as one.
    """
    line = " ".join(redact(text).split())
    return line if len(line) <= letters else f"{line[: letters - 1]}…"


def _size(told: BriefRun) -> int:
    return len(
        json.dumps(told.model_dump(mode="json"), ensure_ascii=False).encode("utf-8", "replace")
    )


def _told(run: RunHistory, room: _Room) -> BriefRun:
    gates = [
        f"{gate['name']}: {gate['value']:.4g}, must be {gate['direction']} {gate['threshold']:.4g}"
        + ("" if gate["passed"] else ": FAILED")
        for step in run.steps
        for gate in step.get("gates", ())
    ]
    paths = (each["path"] for step in run.steps for each in step.get("artifacts", ()))
    files = list(dict.fromkeys(paths))
    lists: dict[str, Sequence[object]] = {
        "steps": run.steps,
        "failures": run.failures,
        "gates": gates,
        "files": files,
    }
    return BriefRun(
        run=run.run,
        goal=run.goal,
        given=_given(run.told, room),
        status=run.status,
        exit_code=run.exit_code,
        message=shortened(run.message, 2 * room.letters),
        started=run.started,
        ended=run.ended,
        plans=len(run.plans),
        plan=_plan(run, room),
        steps=[_step(row, room) for row in run.steps[-room.rows :]],
        failures=[_failure(each, room) for each in run.failures[-room.rows :]],
        gates=[shortened(each, room.letters) for each in gates[-room.rows :]],
        files=[shortened(each, room.letters) for each in files[-room.rows :]],
        money=MoneyData(**run.money),
        left_out={
            name: len(each) - room.rows for name, each in lists.items() if len(each) > room.rows
        },
        events=len(run.events),
    )


def _given(told: dict[str, Any], room: _Room) -> dict[str, Any]:
    said = [(key, each) for key, each in told.items() if each not in (None, "", False)]
    return {
        key: shortened(each, room.letters) if isinstance(each, str) else each
        for key, each in said[: 2 * room.rows]
        if isinstance(each, str | int | float | bool)
    }


def _plan(run: RunHistory, room: _Room) -> BriefPlan | None:
    if not run.plans:
        return None
    last = run.plans[-1]
    return BriefPlan(
        digest=last.digest,
        steps=[step.id for step in last.steps][: 2 * room.rows],
        seconds=round(last.seconds, 1),
        usd=last.usd,
        approval=list(last.approval),
    )


def _step(row: dict[str, Any], room: _Room) -> BriefStep:
    return BriefStep(
        step=row["step"],
        status=row["status"],
        seconds=row["seconds"],
        summary=shortened(row["summary"], room.letters),
        work=row.get("work") if row["status"] == "running" else None,
    )


def _failure(failed: Any, room: _Room) -> BriefFailure:
    return BriefFailure(
        step=failed.step,
        name=failed.name,
        message=shortened(failed.message, 2 * room.letters),
        fix=shortened(failed.fix, room.letters),
    )
