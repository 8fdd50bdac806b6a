"""Projections of the ledger: what the runs did, never a second copy of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.command import command
from agents.declare.work import Work
from agents.errors import LedgerDamaged, UsageError, nearest
from agents.ledger.chain import json_text
from agents.ledger.events import Event, of_kind
from agents.ledger.past import Past
from agents.ledger.payloads import (
    MoneyReserved,
    MoneySettled,
    OfStep,
    PlanMade,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepNoted,
    StepStarted,
    StepVerified,
)

__all__ = [
    "RunHistory",
    "by_run",
    "find_history",
    "history_of",
    "run_histories",
    "summaries",
]

MOST_NAMED = 20
"""So many runs are named to somebody who gave the name of none."""


@dataclass
class RunHistory:
    """One run as the ledger tells it.

    Attributes:
        status: ``running`` until the run's end was written.
        params: All values, canonical.
        told: The values that a person should see, as they were written.
        plans: Digest, steps and reason of each plan, in order.
        steps: Step id → (action, status, seconds), in the order they started.
    """

    run: str
    goal: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    max_cost: float | None = None
    started: str = ""
    ended: str = ""
    status: str = "running"
    exit_code: int | None = None
    message: str = ""
    plans: list[PlanMade] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def failures(self) -> list[StepFailed]:
        """The steps that failed."""
        return [failed for _, failed in of_kind(self.events, StepFailed)]

    @property
    def seconds(self) -> float:
        """What the finished steps took, one after the other."""
        return float(sum(row["seconds"] for row in self.steps if row["seconds"] is not None))

    @property
    def estimate(self) -> dict[str, float] | None:
        """What was expected of the finished steps, what they took, and by how much it was off."""
        rows = [
            row
            for row in self.steps
            if row["seconds"] is not None and row["expected_seconds"] is not None
        ]
        if not rows:
            return None
        return _estimate(
            sum(row["expected_seconds"] for row in rows), sum(row["seconds"] for row in rows)
        )

    @property
    def spent(self) -> float:
        """Dollars that were settled."""
        return float(sum(paid.usd or 0.0 for _, paid in of_kind(self.events, MoneySettled)))

    @property
    def money(self) -> dict[str, Any]:
        """What is booked, what is set aside, what went on, and what has no known price."""
        reserved: dict[str, float | None] = {}
        running: dict[str, bool] = {}
        unknown: dict[str, bool] = {}
        for event in self.events:
            match event.payload:
                case MoneyReserved(action=action, usd=usd):
                    reserved[action], unknown[action] = usd, usd is None
                case MoneySettled(action=action, usd=usd, meter=meter):
                    reserved.pop(action, None)
                    unknown[action] = usd is None
                    running[action] = meter is not None and meter.running
        return {
            "usd": self.spent,
            "reserved": sum(usd or 0.0 for usd in reserved.values()),
            "running": [action for action, goes_on in running.items() if goes_on],
            "unknown": [action for action, nobody in unknown.items() if nobody],
        }

    def summary(self) -> dict[str, Any]:
        """The run in one row."""
        return {
            "run": self.run,
            "goal": self.goal,
            "status": self.status,
            "exit_code": self.exit_code,
            "started": self.started,
            "ended": self.ended,
            "plans": len(self.plans),
            "steps": len([step for step in self.steps if step["status"] == "verified"]),
            "failures": len(self.failures),
            "usd": self.spent,
            "estimate": self.estimate,
        }

    def data(self) -> dict[str, Any]:
        """The run in full."""
        return {
            **self.summary(),
            "params": self.params,
            "message": self.message,
            "plans": [plan.to_json() for plan in self.plans],
            "steps": self.steps,
            "failures": [failed.to_json() for failed in self.failures],
            "money": self.money,
            "events": [event.envelope() for event in self.events],
        }

    def _apply(self, event: Event) -> None:
        self.events.append(event)
        match event.payload:
            case RunStarted() as begun:
                self.goal, self.params, self.started = begun.goal, begun.params, event.time
                self.max_cost, self.told = begun.max_cost, begun.told
            case PlanMade() as plan:
                self.plans.append(plan)
            case StepStarted() as step:
                row = {"step": step.step, "action": step.action, "status": "running"}
                empty: dict[str, Any] = {"artifacts": [], "gates": [], "measurements": []}
                expected = {"expected_seconds": step.expected_seconds}
                self.steps.append(row | expected | {"seconds": None, "summary": ""} | empty)
            case RunFinished() as end:
                self.ended, self.status = event.time, end.status
                self.exit_code, self.message = end.exit_code, end.message
            case OfStep() as step:
                self._apply_to_step(step)

    def _apply_to_step(self, step: OfStep) -> None:
        row = next((row for row in reversed(self.steps) if row["step"] == step.step), None)
        if row is None:
            return
        match step:
            case StepFinished(seconds=seconds, outcome=outcome):
                kept = outcome.model_dump(
                    mode="json", include={"summary", "artifacts", "gates", "measurements"}
                )
                row |= {"status": "finished", "seconds": seconds, **kept}
            case StepNoted(work=Work() as work):
                row["work"] = work.model_dump(mode="json")
            case StepVerified():
                row["status"] = "verified"
            case StepFailed(message=message):
                row |= {"status": "failed", "summary": message}


def _estimate(expected: float, took: float) -> dict[str, float]:
    off = (expected - took) / took if took else 0.0
    return {"expected_seconds": expected, "seconds": took, "error": off}


def run_histories(events: Iterable[Event]) -> list[RunHistory]:
    """Every run of these events, newest first."""
    histories = [history_of(run, own) for run, own in by_run(events).items()]
    return histories[::-1]


def history_of(run: str, events: Iterable[Event]) -> RunHistory:
    """A run as its events tell it."""
    history = RunHistory(run)
    for event in events:
        history._apply(event)
    return history


def by_run(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The events of each run, in the order in which the runs began."""
    runs: dict[str, list[Event]] = {}
    for event in events:
        if event.run:
            runs.setdefault(event.run, []).append(event)
    return runs


def summaries(
    past: Past, *, goal: str = "", status: str = "", since: str = "", limit: int = 0
) -> list[dict[str, Any]]:
    """The runs in one row each, newest first.

    Args:
        past: The ledger.
        goal: Only those of this goal.
        status: Only those that ended so.
        since: Only those that began then or later.
        limit: At most so many; 0 for all.
    """
    sql = (
        "SELECT runs.run, goal, status, exit_code, started, ended, plans, steps, failures, usd,"
        " expected, took FROM projected_runs AS runs"
        " LEFT JOIN projected_took AS time ON time.run = runs.run"
        " WHERE started >= ?1 AND ?2 IN ('', goal) AND ?3 IN ('', status)"
        " ORDER BY first DESC LIMIT ?4"
    )
    rows = past.ledger.rows(sql, (since, goal, status, limit or -1))
    return [_summary(*row) for row in rows]


def _summary(*row: Any) -> dict[str, Any]:
    names = ("run", "goal", "status", "exit_code", "started", "ended", "plans", "steps")
    *known, failures, usd, expected, took = row
    estimate = None if expected is None else _estimate(expected, took)
    more = {"failures": failures, "usd": usd, "estimate": estimate}
    return {**dict(zip(names, known, strict=True)), **more}


def find_history(past: Past, name: str) -> RunHistory:
    """The run called ``name``, a unique beginning of one, ``last``, or ``last~1`` before it.

    Raises:
        UsageError: There is no such run, or more than one.
    """
    newest = "SELECT run FROM projected_runs ORDER BY first DESC LIMIT ? OFFSET ?"
    back = re.fullmatch(r"last(?:~(\d{1,9}))?", name)
    if back is not None and (found := past.ledger.rows(newest, (1, int(back[1] or 0)))):
        return history_of(found[0][0], past.of(run=found[0][0]))
    begins = "SELECT run FROM projected_runs WHERE run >= ? AND run < ? ORDER BY first DESC LIMIT ?"
    text = json_text(name)
    edges = (text, f"{text}\U0010ffff", MOST_NAMED)
    beginning = [run for (run,) in past.ledger.rows(begins, edges)]
    if len(beginning) == 1 or name in beginning:
        run = name if name in beginning else beginning[0]
        return history_of(run, past.of(run=run))
    if beginning:
        raise UsageError(f"{name!r} could be {', '.join(beginning)}")
    others = [run for (run,) in past.ledger.rows(newest, (MOST_NAMED, 0))]
    if not others:
        if past.ledger.rows("SELECT 1 FROM events WHERE run > '' LIMIT 1"):
            raise LedgerDamaged("the ledger has runs that it does not list", fix=command("doctor"))
        raise UsageError("there are no runs yet", fix=command("run goal=NAME"))
    raise UsageError(f"there is no run {name!r}{nearest(name, others)}", fix=command("runs"))
