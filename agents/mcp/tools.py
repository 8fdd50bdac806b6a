"""What the five tools and the two resources do; nothing here knows the protocol."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue

from agents import api
from agents.cli.report import report_html
from agents.declare.catalogue import Catalogue
from agents.errors import GoapError, NotApproved, StalePlan, Unreachable, UsageError
from agents.ledger.chain import json_values
from agents.ledger.redaction import redacted
from agents.mcp.launch import Launched, launch
from agents.run.asking import SHORTEST_DIGEST, question_of_json, words_of
from agents.run.question import Question
from agents.schemas.models import PlanData

__all__ = ["Toolkit"]

Values = Mapping[str, JsonValue]


class Toolkit:
    """The toolkit as an agent sees it.

    Args:
        catalogue: Loads the declarations.
        state: The state directory of every answer.
        start: Starts a run of these words in this state directory.
    """

    def __init__(
        self,
        catalogue: Callable[[], Catalogue],
        state: Path,
        start: Callable[[Sequence[str], Path], Launched] = launch,
    ) -> None:
        self.catalogue, self.state, self.start = catalogue, state, start

    def plan(self, goal: str, params: Values) -> dict[str, Any]:
        """The data of ``plan``."""
        return _sent(api.plan(self._question(goal, params)))

    def explain(self, name: str, goal: str, params: Values) -> dict[str, Any]:
        """The data of ``explain``."""
        goals = self.catalogue().goals
        default = name if name in goals else next(iter(goals))
        return _sent(api.explain(name, self._question(goal or default, params)))

    def status(self, goal: str, params: Values, run: str) -> dict[str, Any]:
        """The data of ``status``, or of ``show`` when a run is named."""
        if run:
            return self.run_data(run)
        default = next(iter(self.catalogue().goals))
        return _sent(api.status(self._question(goal or default, params)))

    def run(self, goal: str, plan_digest: str, max_cost: float, params: Values) -> dict[str, Any]:
        """Start exactly the plan that was seen, for exactly these values, as its own process.

        Raises:
            GoapError: There is no plan, it is another one by now, it costs more than the cap, or
                another run holds the lock.
        """
        if len(plan_digest) < SHORTEST_DIGEST:
            raise UsageError(
                f"plan_digest needs {SHORTEST_DIGEST} characters or more", fix="goap_plan"
            )
        values = {**params, "max_cost": max_cost}
        plan = api.plan(self._question(goal, values))
        problem = _unfit(plan, plan_digest, max_cost)
        if problem is not None:
            raise problem
        if not plan.steps:
            return {"run": None, "goal": goal, "status": "nothing to do"}
        words = words_of(goal, {**values, "plan_digest": plan_digest})
        started = self.start(words, self.state)
        return {"goal": goal, "status": "running", **started._asdict()}

    def cancel(self, run: str) -> dict[str, Any]:
        """Ask a run to end."""
        return _sent(api.cancel(self.state, run))

    def run_data(self, run: str) -> dict[str, Any]:
        """The data of ``show --events``."""
        return _sent(api.shown(api.history(self.state, run)))

    def report(self, run: str) -> str:
        """The report of a run, as HTML."""
        return report_html(api.history(self.state, run), [self.state / "volume"])

    def _question(self, goal: str, params: Values) -> Question:
        return question_of_json(self.catalogue(), goal, params, self.state)


def _sent(data: BaseModel) -> dict[str, Any]:
    """The data as JSON values, without secrets."""
    plain: dict[str, Any] = json_values(redacted(data.model_dump(mode="json", by_alias=True)))
    return plain


def _unfit(plan: PlanData, plan_digest: str, max_cost: float) -> GoapError | None:
    """Why the plan of now may not be run."""
    if plan.status == "over_budget":
        return NotApproved(f"every plan costs more than max_cost={max_cost}", fix="raise max_cost")
    if plan.cost is None:
        missing = ", ".join(each.fact for each in plan.missing)
        return Unreachable(f"nothing can make this true: {missing}", fix="goap_explain")
    if not plan.digest.startswith(plan_digest):
        return StalePlan(
            f"the plan is now {plan.digest[:12]}, not {plan_digest[:12]}: the world, or a value "
            "that it was seen for, is another one",
            fix="goap_plan, and look again",
        )
    return None
