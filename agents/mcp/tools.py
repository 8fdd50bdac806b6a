"""What the seven tools and the two resources do; nothing here knows the protocol."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, JsonValue

from agents import api
from agents.cli.report import report_html
from agents.declare.catalogue import Catalogue
from agents.declare.commands import Command
from agents.errors import GoapError, NotApproved, StalePlan, Unreachable, UsageError
from agents.ledger.chain import json_values
from agents.ledger.redaction import redacted
from agents.mcp.launch import Launched, launch
from agents.run.asking import SHORTEST_DIGEST, question_of_json, words_of
from agents.run.question import Question
from agents.schemas.models import PlanData

__all__ = ["MOST_WAIT_SECONDS", "Toolkit"]

Values = Mapping[str, JsonValue]
MOST_WAIT_SECONDS = 300.0


class Toolkit:
    """The toolkit as an agent sees it.

    Args:
        catalogue: Loads the declarations.
        state: The state directory of every answer.
        start: Starts a run of these words in this state directory.
        stop: The command that ends what goes on without its run; None where nothing does.
    """

    def __init__(
        self,
        catalogue: Callable[[], Catalogue],
        state: Path,
        start: Callable[[Sequence[str], Path], Launched] = launch,
        stop: Command | None = None,
    ) -> None:
        self.catalogue, self.state, self.start = catalogue, state, start
        self._stop = stop

    def plan(self, goal: str, params: Values) -> dict[str, Any]:
        """The data of ``plan``."""
        return _sent(api.plan(self._question(goal, params)))

    def explain(self, name: str, goal: str, params: Values) -> dict[str, Any]:
        """The data of ``explain``."""
        goals = self.catalogue().goals
        default = name if name in goals else next(iter(goals))
        return _sent(api.explain(name, self._question(goal or default, params)))

    def status(self, goal: str, params: Values, run: str) -> dict[str, Any]:
        """The data of ``status``; how a run is, when one is named."""
        if run:
            return _sent(api.progress(self.state, run))
        default = next(iter(self.catalogue().goals))
        return _sent(api.status(self._question(goal or default, params)))

    def run(self, goal: str, plan_digest: str, max_cost: float, params: Values) -> dict[str, Any]:
        """Start exactly the plan that was seen, for exactly these values, as its own process.

        Raises:
            GoapError: There is no plan, it is another one by now, it costs more than the cap, or
                another run is for the same.
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

    def wait(self, run: str, seconds: float, after: int) -> dict[str, Any]:
        """How a run is as soon as there is news of it, or the time is up."""
        return _sent(api.wait(self.state, run, min(seconds, MOST_WAIT_SECONDS), after))

    def cancel(self, run: str) -> dict[str, Any]:
        """Ask a run to end; what goes on without it is named."""
        return _sent(api.cancel(self.state, run))

    def stop(self, which: str, *, confirm: bool) -> dict[str, Any]:
        """End what goes on without its run, when that is agreed to.

        Raises:
            GoapError: Nobody agreed, or nothing is called so.
        """
        if self._stop is None:
            raise UsageError("nothing goes on here without its run", fix="goap_cancel")
        options = self._stop.options.read([which, f"state={self.state}"], self._stop.name)
        if not confirm:
            raise NotApproved(
                f"this ends what {which} names: it saves, and does not go on by itself",
                fix="ask the person; then goap_stop with confirm=true",
            )
        answer = self._stop.run(options, _Quiet())
        return json_values(redacted({**dict(answer.data), "said": answer.text}))  # type: ignore[no-any-return]

    def run_data(self, run: str) -> dict[str, Any]:
        """The data of ``show --events``."""
        return _sent(api.shown(api.history(self.state, run)))

    def report(self, run: str) -> str:
        """The report of a run, as HTML."""
        return report_html(api.history(self.state, run), [self.state / "volume"])

    def _question(self, goal: str, params: Values) -> Question:
        return question_of_json(self.catalogue(), goal, params, self.state)


class _Quiet:
    """A terminal that nobody looks at."""

    json_wanted = True

    def write(self, text: str) -> None:
        """Nowhere."""

    def say(self, line: str) -> None:
        """Nowhere."""


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
