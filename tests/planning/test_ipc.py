"""Classical problems whose optimal cost other planners have proved."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.planning import Limits, Status, plan

PROBLEMS = Path(__file__).parents[2] / ".." / "shared" / "planning" / "ipc.json"


def _instances() -> list[Any]:
    if not PROBLEMS.exists():
        return []
    found = json.loads(PROBLEMS.read_text(encoding="utf-8"))["instances"]
    return [pytest.param(instance, id=instance["id"]) for instance in found]


@pytest.mark.skipif(not PROBLEMS.exists(), reason="the shared problems are not on this machine")
@pytest.mark.parametrize("instance", _instances())
def test_a_classical_problem_is_solved_to_the_proved_optimum(instance: dict[str, Any]) -> None:
    strips = instance["strips"]
    actions = [
        {
            "name": a["name"],
            "needs": {**dict.fromkeys(a["pre"], True), **dict.fromkeys(a["neg"], False)},
            "effect": {**dict.fromkeys(a["del"], False), **dict.fromkeys(a["add"], True)},
            "cost": 1 if instance["unit_cost"] else a["cost"],
        }
        for a in strips["actions"]
    ]
    start, goal = dict.fromkeys(strips["init"], True), dict.fromkeys(strips["goal"], True)
    result = plan(start, goal, actions, limits=Limits(seconds=60))
    assert (result.status, result.cost) == (Status.OPTIMAL, instance["optimal_cost"])
    world = set(strips["init"])
    by_name = {a["name"]: a for a in strips["actions"]}
    for step in result.steps:
        declared = by_name[step.action]
        assert set(declared["pre"]) <= world
        assert not set(declared["neg"]) & world
        world = world - set(declared["del"]) | set(declared["add"])
    assert set(strips["goal"]) <= world
