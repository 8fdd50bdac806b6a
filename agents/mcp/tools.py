"""What the five tools and the two resources do; nothing here knows the protocol."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.errors import GoapError, NotApproved, StalePlan, Unreachable, UsageError
from agents.mcp.door import Door, Refused, words_of
from agents.mcp.launch import cancel, launch

__all__ = ["SHORTEST_DIGEST", "Toolkit"]

SHORTEST_DIGEST = 8
"""Fewer characters of a digest do not say which plan was seen."""


class Toolkit:
    """The toolkit as an agent sees it.

    Args:
        door: The command line.
        start: Starts a run of these words in this state directory.
    """

    def __init__(
        self, door: Door, start: Callable[[Sequence[str], Path], dict[str, Any]] = launch
    ) -> None:
        self.door, self.start = door, start

    def plan(self, goal: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The data of ``plan``."""
        return dict(self.door.ask("plan", *words_of(goal, params)))

    def explain(self, name: str, goal: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The data of ``explain``."""
        return dict(self.door.ask("explain", name, *words_of(goal, params)))

    def status(self, goal: str, params: Mapping[str, Any], run: str) -> dict[str, Any]:
        """The data of ``status``, or of ``show`` when a run is named."""
        if run:
            return self.run_data(run)
        return dict(self.door.ask("status", *words_of(goal, params)))

    def run(
        self, goal: str, plan_digest: str, max_cost: float, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Start exactly the plan that was seen, as a process of its own.

        Raises:
            Refused: There is no plan, it is another one by now, it costs more than the cap, or
                another run holds the lock.
        """
        if len(plan_digest) < SHORTEST_DIGEST:
            error = UsageError(
                f"plan_digest needs {SHORTEST_DIGEST} characters or more", fix="goap_plan"
            )
            raise Refused.because(error)
        plan = self.plan(goal, {**params, "max_cost": max_cost})
        problem = _unfit(plan, plan_digest, max_cost)
        if problem is not None:
            raise Refused.because(problem)
        if not plan["steps"]:
            return {"run": None, "goal": goal, "status": "nothing to do"}
        cap = {"plan_digest": plan_digest, "max_cost": max_cost}
        words = words_of(goal, {**params, **cap})
        return {"goal": goal, "status": "running", **self.start(words, self.door.state)}

    def cancel(self, run: str) -> dict[str, Any]:
        """Ask a run to end."""
        return cancel(run, self.door.state)

    def run_data(self, run: str) -> dict[str, Any]:
        """The data of ``show``."""
        return dict(self.door.ask("show", run))

    def report(self, run: str) -> str:
        """The report of a run, as HTML."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "report.html"
            self.door.ask("report", run, f"out={out}")
            return out.read_text(encoding="utf-8")


def _unfit(plan: Mapping[str, Any], plan_digest: str, max_cost: float) -> GoapError | None:
    """Why the plan of now may not be run."""
    if plan["status"] == "over_budget":
        return NotApproved(f"every plan costs more than max_cost={max_cost}", fix="raise max_cost")
    if plan["cost"] is None:
        missing = ", ".join(each["fact"] for each in plan["missing"])
        return Unreachable(f"nothing can make this true: {missing}", fix="goap_explain")
    digest = str(plan["digest"])
    if not digest.startswith(plan_digest):
        return StalePlan(
            f"the plan is now {digest[:12]}, not {plan_digest[:12]}: the world changed",
            fix="goap_plan, and look again",
        )
    return None
