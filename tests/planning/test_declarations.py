"""A bad declaration is refused with a message that names it."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from planning_problems import action

from agents.errors import UsageError
from agents.planning import UNKNOWN, AtLeast, Below, plan

GOOD = action("good", {}, {"x": True})


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"needs": {}, "effect": {"x": True}, "cost": 1}, ["number 2", "no name"]),
        (action("", {}, {"x": True}), ["number 2", "no name"]),
        (action("idle", {}, {}), ["idle", "no effect"]),
        ({"name": "idle", "needs": {}, "cost": 1}, ["idle", "no effect"]),
        ({"name": "free", "needs": {}, "effect": {"x": True}}, ["free", "no cost"]),
        (action("neg", {}, {"x": True}, -1), ["neg", "cost", "-1"]),
        (action("nan", {}, {"x": True}, math.nan), ["nan", "cost"]),
        (action("inf", {}, {"x": True}, math.inf), ["inf", "cost"]),
        (action("yes", {}, {"x": True}, True), ["yes", "cost", "True"]),
        (action("word", {}, {"x": True}, "3"), ["word", "cost"]),  # type: ignore[arg-type]
        (action("slow", {}, {"x": True}, 1, seconds=-2), ["slow", "seconds"]),
        (action("dear", {}, {"x": True}, 1, usd=math.nan), ["dear", "usd"]),
        (action("gpu", {}, {"x": True}, 1, resources={"gpu": 0.5}), ["gpu", "0.5"]),
        (action("good", {}, {"y": True}), ["good", "two actions"]),
        (action("list", {}, {"x": [1]}), ["list", "effect"]),
        (action("text", "needs", {"x": True}), ["text", "needs"]),  # type: ignore[arg-type]
        (action("number", {3: True}, {"x": True}), ["number", "3"]),  # type: ignore[dict-item]
        (action("dark", {"y": UNKNOWN}, {"x": True}), ["dark", "UNKNOWN"]),
        (
            action("both", [("y", True), ("y", False)], {"x": True}),  # type: ignore[arg-type]
            ["both", "needs", "'y'"],
        ),
        (
            action("both", {}, [("y", 1), ("y", 2)]),  # type: ignore[arg-type]
            ["both", "effect", "'y'"],
        ),
        (
            action("both", [("y", AtLeast(5)), ("y", Below(5))], {"x": True}),  # type: ignore[arg-type]
            ["both", "needs", "'y'"],
        ),
    ],
)
def test_a_bad_action_is_refused_by_name(bad: Any, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        plan({}, {"x": True}, [GOOD, bad])
    for word in words:
        assert word in caught.value.message


@pytest.mark.parametrize(
    "goal",
    [
        [("x", True), ("x", False)],
        [("n", AtLeast(5)), ("n", 4)],
        [("n", AtLeast(5)), ("n", Below(3))],
        {"x": UNKNOWN},
        {"x": []},
        7,
    ],
)
def test_a_goal_that_cannot_be_meant_is_refused(goal: Any) -> None:
    with pytest.raises(UsageError, match="goal"):
        plan({}, goal, [GOOD])


@pytest.mark.parametrize("cap", [-1, math.nan])
def test_a_cap_on_money_must_be_a_sum(cap: float) -> None:
    with pytest.raises(UsageError, match="max_usd"):
        plan({}, {"x": True}, [GOOD], max_usd=cap)


def test_a_declaration_that_changed_in_place_is_read_again() -> None:
    changing = action("change", {}, {"x": True}, 1)
    assert plan({}, {"x": True}, [changing]).cost == 1
    changing["cost"] = 5
    changing["needs"]["y"] = True
    assert plan({"y": True}, {"x": True}, [changing]).cost == 5
    assert not plan({}, {"x": True}, [changing])


def test_an_object_without_optional_attributes_is_an_action() -> None:
    bare = SimpleNamespace(name="bare", needs={}, effect={"x": True}, cost=2)
    assert plan({}, {"x": True}, [bare]).cost == 2


def test_an_iterator_can_be_read_once_and_is_enough() -> None:
    actions = ({"name": "a", "needs": iter(()), "effect": iter([("x", 1)]), "cost": 1} for _ in "a")
    assert plan({}, {"x": 1}, actions).cost == 1
