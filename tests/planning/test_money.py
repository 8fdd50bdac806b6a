"""A cap on money is kept, and what it would take is said."""

import pytest
from planning_problems import action

from agents.planning import Limits, Status, plan

WAYS = [
    action("fast", {}, {"trained": True}, 10, usd=9),
    action("middle", {}, {"trained": True}, 50, usd=4),
    action("slow", {}, {"trained": True}, 200, usd=1.1),
]


@pytest.mark.parametrize(
    ("cap", "name"), [(None, "fast"), (9, "fast"), (8.99, "middle"), (4, "middle"), (1.1, "slow")]
)
def test_the_cheapest_plan_that_can_be_paid_is_chosen(cap: float | None, name: str) -> None:
    result = plan({}, {"trained": True}, WAYS, max_usd=cap)
    assert result.status is Status.OPTIMAL
    assert [step.action for step in result.steps] == [name]


def test_over_the_cap_the_lowest_possible_price_is_named_and_nothing_is_planned() -> None:
    result = plan({}, {"trained": True}, WAYS, max_usd=1)
    assert (result.status, bool(result), result.steps) == (Status.OVER_BUDGET, False, ())
    assert result.usd == 1.1
    assert result.cheapest is not None
    assert [step.action for step in result.cheapest.steps] == ["slow"]


def test_money_saved_on_one_step_is_spent_on_the_step_where_it_buys_most() -> None:
    catalogue = [
        action(f"{speed} {i}", {}, {f"done {i}": True}, cost * (i + 1), usd=usd)
        for i in range(4)
        for speed, cost, usd in (("fast", 1, 2), ("slow", 10, 0))
    ]
    result = plan({}, {f"done {i}": True for i in range(4)}, catalogue, max_usd=4)
    assert sorted(step.action for step in result.steps) == ["fast 2", "fast 3", "slow 0", "slow 1"]
    assert (result.status, result.usd, result.cost) == (Status.OPTIMAL, 4, 10 + 20 + 3 + 4)


def test_an_unreachable_goal_is_unreachable_whatever_the_cap() -> None:
    assert plan({}, {"x": True}, WAYS, max_usd=0).status is Status.UNREACHABLE


def test_without_time_to_look_nothing_is_said_to_be_over_budget() -> None:
    result = plan({}, {"trained": True}, WAYS, max_usd=1, limits=Limits(seconds=0))
    assert result.status is Status.LIMIT
