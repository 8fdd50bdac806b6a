"""Whether the rest of a plan is still good."""

import pytest
from planning_problems import action

from agents.planning import UNKNOWN, plan, still_valid

CATALOGUE = [
    action("a", {}, {"x": True}),
    action("b", {"x": True}, {"y": True, "x": False}),
    action("c", {"y": True}, {"z": True}),
]
GOAL = {"z": True, "y": True}


@pytest.mark.parametrize(
    ("world", "done", "expected"),
    [
        ({}, (), True),
        ({"x": True}, ("a",), True),
        ({}, ("a",), False),
        ({"x": UNKNOWN}, ("a",), False),
        ({"y": True}, ("a", "b"), True),
        ({"y": True, "z": True}, ("a", "b", "c"), True),
        ({"z": True}, ("a", "b", "c"), False),
    ],
)
def test_the_rest_is_valid_if_it_applies_and_reaches_the_goal(
    world: dict[str, object], done: tuple[str, ...], expected: bool
) -> None:
    assert still_valid(plan({}, GOAL, CATALOGUE), world, done=done) is expected


def test_bare_steps_are_checked_for_their_needs_and_a_goal_if_given() -> None:
    steps = plan({}, GOAL, CATALOGUE).steps[1:]
    assert still_valid(steps, {"x": True})
    assert not still_valid(steps, {})
    assert not still_valid(steps, {"x": True}, goal={"w": True})


def test_no_plan_is_not_a_valid_plan() -> None:
    assert not still_valid(plan({}, {"w": True}, CATALOGUE), {"w": True})
