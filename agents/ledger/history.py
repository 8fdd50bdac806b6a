"""Projections of the ledger: what the runs did, never a second copy of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agents.declare.facts import nearest
from agents.errors import UsageError
from agents.ledger.events import Event

__all__ = ["RunHistory", "find_run", "run_histories"]


@dataclass
class RunHistory:
    """One run as the ledger tells it.

    Attributes:
        status: ``running`` until the run's end was written.
        plans: Digest, steps and reason of each plan, in order.
        steps: Step id → (action, status, seconds), in the order they started.
    """

    run: str
    goal: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    max_cost: float | None = None
    started: str = ""
    ended: str = ""
    status: str = "running"
    exit_code: int | None = None
    message: str = ""
    plans: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The steps that failed."""
        return [event.data for event in self.events if event.type == "step.failed"]

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
        settled = [each.data["usd"] for each in self.events if each.type == "money.settled"]
        return float(sum(usd or 0.0 for usd in settled))

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
            "plans": self.plans,
            "steps": self.steps,
            "failures": self.failures,
            "events": [event.envelope() for event in self.events],
        }

    def _apply(self, event: Event) -> None:
        self.events.append(event)
        data = event.data
        if event.type == "run.started":
            self.goal, self.params, self.started = data["goal"], data["params"], event.time
            self.max_cost = data.get("max_cost")
        elif event.type == "plan.made":
            self.plans.append(data)
        elif event.type == "step.started":
            row = {"step": data["step"], "action": data["action"], "status": "running"}
            empty: dict[str, Any] = {"artifacts": [], "gates": [], "measurements": []}
            expected = {"expected_seconds": data.get("expected_seconds")}
            self.steps.append(row | expected | {"seconds": None, "summary": ""} | empty)
        elif event.type == "run.finished":
            self.ended, self.status = event.time, data["status"]
            self.exit_code, self.message = data["exit_code"], data.get("message", "")
        elif event.type.startswith("step.") and self.steps:
            self._apply_to_step(event)

    def _apply_to_step(self, event: Event) -> None:
        data = event.data
        row = next((row for row in reversed(self.steps) if row["step"] == data["step"]), None)
        if row is None:
            return
        if event.type == "step.finished":
            outcome = data["outcome"]
            row |= {
                "status": "finished",
                "seconds": data["seconds"],
                "summary": outcome["summary"],
                "artifacts": outcome["artifacts"],
                "gates": outcome["gates"],
                "measurements": outcome["measurements"],
            }
        elif event.type == "step.verified":
            row["status"] = "verified"
        elif event.type == "step.failed":
            row |= {"status": "failed", "summary": data["message"]}


def run_histories(events: Iterable[Event]) -> list[RunHistory]:
    """Every run, newest first."""
    runs: dict[str, RunHistory] = {}
    for event in events:
        if event.run:
            runs.setdefault(event.run, RunHistory(event.run))._apply(event)
    return list(reversed(runs.values()))


def find_run(runs: list[RunHistory], name: str) -> RunHistory:
    """The run called ``name``, a unique beginning of one, ``last``, or ``last~1`` before it.

    Raises:
        UsageError: There is no such run, or more than one.
    """
    if not runs:
        raise UsageError("there are no runs yet", fix="python -m agents run goal=trained_dit")
    back = re.fullmatch(r"last(?:~(\d+))?", name)
    if back is not None and int(back[1] or 0) < len(runs):
        return runs[int(back[1] or 0)]
    found = [run for run in runs if run.run.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{name!r} could be {', '.join(run.run for run in found)}")
    raise UsageError(
        f"there is no run {name!r}{nearest(name, [run.run for run in runs])}",
        fix="python -m agents runs",
    )
