"""The cases other planners got wrong, from their own tests and bug reports."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.planning import PlanResult, Status, plan

CASES = Path(__file__).parents[2] / ".." / "shared" / "planning" / "cases.json"


def _cases() -> list[Any]:
    if not CASES.exists():
        return []
    return [pytest.param(c, id=c["id"]) for c in json.loads(CASES.read_text(encoding="utf-8"))]


def _answer(case: dict[str, Any]) -> PlanResult:
    actions = [
        {"name": a["name"], "needs": a["pre"], "effect": a["eff"], "cost": a["cost"]}
        for a in case["actions"]
    ]
    return plan(case["init"], case["goal"], actions)


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not on this machine")
@pytest.mark.parametrize("case", _cases())
def test_case_of_another_planner_is_answered_with_the_optimal_cost(case: dict[str, Any]) -> None:
    result = _answer(case)
    names = [step.action for step in result.steps]
    if not case["solvable"]:
        assert result.status is Status.UNREACHABLE
        return
    assert result.status is Status.OPTIMAL
    assert result.cost == pytest.approx(case["optimal_cost"], abs=1e-12)
    assert case["accepted_plans"] is None or names in case["accepted_plans"]
    assert not set(names) & set(case["forbidden_actions"])
