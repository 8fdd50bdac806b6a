"""Why there is no plan, why not this action, and what the second-best plan is."""

import pytest
from planning_problems import action

from agents.errors import UsageError
from agents.planning import UNKNOWN, AtLeast, Status, explain_missing, plan, runner_up, why_not

TRAIN = [
    action("build", {"docker": True}, {"image": True}, 3),
    action("train", {"image": True, "token": True, "data": True}, {"model": True}, 10),
    action("fetch", {}, {"data": True}, 2),
]


def test_what_is_missing_is_the_roots_with_who_needs_them_and_the_plan_that_follows() -> None:
    explanation = explain_missing({}, {"model": True}, TRAIN)
    assert explanation.missing == (
        ("docker", True, ("build",)),
        ("token", True, ("train",)),
    )
    assert [step.action for step in explanation.then.steps] == ["build", "fetch", "train"]


def test_nothing_is_missing_where_there_is_a_plan() -> None:
    explanation = explain_missing({"docker": True, "token": True}, {"model": True}, TRAIN)
    assert explanation.missing == ()
    assert explanation.then.cost == 15


def test_an_unknown_fact_nobody_observes_is_missing() -> None:
    result = plan({"docker": UNKNOWN, "token": True}, {"model": True}, TRAIN)
    assert result.missing == (("docker", True, ("build",)),)


def test_a_threshold_out_of_reach_is_missing() -> None:
    catalogue = [action("train", {"gb": AtLeast(10)}, {"model": True})]
    result = plan({"gb": 3}, {"model": True}, catalogue)
    assert result.missing == (("gb", AtLeast(10), ("train",)),)
    assert explain_missing({"gb": 3}, {"model": True}, catalogue).then.cost == 1


def test_a_fact_that_is_used_up_on_the_way_is_missing_although_it_holds_at_the_start() -> None:
    catalogue = [action("enter", {"ticket": True}, {"inside": True, "ticket": False})]
    result = plan({"ticket": True}, {"inside": True, "ticket": True}, catalogue)
    assert result.status is Status.UNREACHABLE
    assert [(m.fact, m.needed_by) for m in result.missing] == [("inside", ("goal",))]


def test_an_action_that_costs_more_is_explained_by_the_difference() -> None:
    catalogue = [
        action("car", {}, {"there": True}, 5),
        action("walk", {"shoes": True}, {"there": True}, 9),
        action("dress", {}, {"shoes": True}, 1),
    ]
    answer = why_not({}, {"there": True}, catalogue, "walk")
    assert (answer.extra_cost, answer.best.cost, answer.forced.cost) == (5, 5, 10)
    assert [step.action for step in answer.forced.steps] == ["dress", "walk"]
    assert answer.forced.goal == (("there", True),)
    assert answer.forced.steps[1].effect == (("there", True),)
    assert "5 more" in answer.text


def test_an_action_in_the_plan_needs_no_excuse() -> None:
    answer = why_not({"docker": True, "token": True}, {"model": True}, TRAIN, "fetch")
    assert (answer.extra_cost, answer.text) == (0, "fetch is in the plan")


def test_an_action_that_cannot_be_used_is_explained_by_what_is_missing() -> None:
    catalogue = [
        action("car", {}, {"there": True}, 5),
        action("fly", {"wings": True}, {"there": True}, 1),
    ]
    answer = why_not({}, {"there": True}, catalogue, "fly")
    assert answer.extra_cost == float("inf")
    assert "wings" in answer.text


def test_an_action_nobody_declared_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="teleport"):
        why_not({}, {"model": True}, TRAIN, "teleport")


def test_the_runner_up_does_without_an_action_of_the_best_plan() -> None:
    catalogue = [action(f"way{i}", {}, {"there": True}, i) for i in (3, 1, 2)]
    assert [step.action for step in runner_up({}, {"there": True}, catalogue).steps] == ["way2"]


def test_without_an_alternative_there_is_no_runner_up() -> None:
    result = runner_up({}, {"data": True}, TRAIN)
    assert result.status is Status.UNREACHABLE
    assert runner_up({"data": True}, {"data": True}, TRAIN).status is Status.UNREACHABLE
