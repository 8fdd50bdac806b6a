"""Projections of the ledger: what the runs did, never a second copy of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.command import command
from agents.errors import UsageError, nearest
from agents.ledger.events import Event, of_kind
from agents.ledger.payloads import (
    MoneyReserved,
    MoneySettled,
    OfStep,
    PlanMade,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepStarted,
    StepVerified,
)

__all__ = ["RunHistory", "by_run", "find_run", "run_histories"]


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
        expected = sum(row["expected_seconds"] for row in rows)
        took = sum(row["seconds"] for row in rows)
        off = (expected - took) / took if took else 0.0
        return {"expected_seconds": expected, "seconds": took, "error": off}

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
            case StepVerified():
                row["status"] = "verified"
            case StepFailed(message=message):
                row |= {"status": "failed", "summary": message}


def run_histories(events: Iterable[Event]) -> list[RunHistory]:
    """Every run, newest first."""
    histories = [_history(run, own) for run, own in by_run(events).items()]
    return histories[::-1]


def _history(run: str, events: Iterable[Event]) -> RunHistory:
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


def find_run(runs: list[RunHistory], name: str) -> RunHistory:
    """The run called ``name``, a unique beginning of one, ``last``, or ``last~1`` before it.

    Raises:
        UsageError: There is no such run, or more than one.
    """
    if not runs:
        raise UsageError("there are no runs yet", fix=command("run goal=NAME"))
    back = re.fullmatch(r"last(?:~(\d+))?", name)
    if back is not None and int(back[1] or 0) < len(runs):
        return runs[int(back[1] or 0)]
    matches = [run for run in runs if run.run.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{name!r} could be {', '.join(run.run for run in matches)}")
    raise UsageError(
        f"there is no run {name!r}{nearest(name, [run.run for run in runs])}",
        fix=command("runs"),
    )
