"""Whether the rest of a plan is still good."""

import pytest
from planning_problems import action

from agents.planning import UNKNOWN, Status, plan, rest_of, still_valid

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


def test_the_rest_of_a_plan_is_a_plan_of_its_own_and_as_good_as_planning_anew():
    whole = plan({}, GOAL, CATALOGUE)
    world = {"x": True}
    left, anew = rest_of(whole, world, {"a"}), plan(world, GOAL, CATALOGUE)
    assert left is not None
    assert (left.status, left.cost, left.lower_bound) == (anew.status, anew.cost, anew.lower_bound)
    assert [step.id for step in left.steps] == [step.id for step in anew.steps]
    assert left.stages == anew.stages
    assert left.critical_path == anew.critical_path


def test_the_rest_of_a_plan_that_no_longer_leads_to_the_goal_is_none():
    whole = plan({}, GOAL, CATALOGUE)
    assert rest_of(whole, {}, {"a"}) is None


def test_nothing_is_said_of_the_cost_of_the_rest_in_a_world_that_was_not_foreseen():
    whole = plan({}, GOAL, CATALOGUE)
    left = rest_of(whole, {"x": True, "y": True}, {"a"})
    assert left is not None
    assert (left.status, left.lower_bound) == (Status.BOUNDED, 0.0)
