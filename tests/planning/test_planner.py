"""What `plan` answers, and how it says so."""

import enum
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from planning_problems import action, simulate

from agents.planning import UNKNOWN, AtLeast, Below, Status, plan

TEA = [
    action("boil", {}, {"hot": True}, 3),
    action("brew", {"hot": True, "leaves": True}, {"tea": True}, 1),
    action("buy", {}, {"leaves": True}, 2),
]


def names(result: Any) -> list[str]:
    return [step.action for step in result.steps]


def test_a_goal_that_holds_needs_an_empty_plan_which_is_true() -> None:
    result = plan({"tea": True}, {"tea": True}, TEA)
    assert (result.status, result.cost, result.steps) == (Status.OPTIMAL, 0, ())
    assert result
    assert result.stages == ()
    assert result.critical_path == ()
    assert result.gap == 0


def test_the_answer_names_steps_stages_reasons_and_the_critical_path() -> None:
    result = plan({}, {"tea": True}, TEA)
    assert (result.status, result.cost, result.lower_bound) == (Status.OPTIMAL, 6, 6)
    assert result.stages == (("boil", "buy"), ("brew",))
    assert result.critical_path == ("boil", "brew")
    boil, buy, brew = result.steps
    assert (boil.why, buy.why, brew.why) == (
        (("hot", "brew"),),
        (("leaves", "brew"),),
        (("tea", "goal"),),
    )
    assert brew.after == ("boil", "buy")
    assert [step.index for step in result.steps] == [0, 1, 2]
    assert result.graph.nodes["brew"]["step"] is brew
    (reason,) = result.graph.edges["boil", "brew"]["reason"]
    assert (reason.kind, reason.fact, reason.value) == ("causal", "hot", True)


def test_an_action_used_twice_has_two_ids_that_no_other_action_has() -> None:
    catalogue = [
        action("mine", {}, {"money": True}, 10),
        action("eat", {"money": True}, {"fed": True, "money": False}, 2),
        action("mine#2", {}, {"unrelated": True}, 1),
    ]
    result = plan({}, {"money": True, "fed": True}, catalogue)
    assert [step.id for step in result.steps] == ["mine", "eat", "mine#2"]
    assert result.cost == 22
    assert result.graph.edges["eat", "mine#2"]["reason"][0].kind == "threat"


def test_costs_are_decimal_and_add_up_without_rounding() -> None:
    catalogue = [action(f"a{i}", {}, {f"f{i}": True}, 0.1, usd=0.1) for i in range(3)]
    result = plan({}, {f"f{i}": True for i in range(3)}, catalogue)
    assert (result.cost, result.usd) == (0.3, 0.3)


@pytest.mark.parametrize(
    ("given", "cost", "seconds", "usd"),
    [
        ({"cost": 5}, 5, 5, 0),
        ({"cost": 5, "usd": 2}, 5, 5, 2),
        ({"cost": 5, "seconds": 60}, 5, 60, 0),
        ({"seconds": 60, "usd": 0.5}, 240, 60, 0.5),
        ({"usd": 0.5}, 180, 180, 0.5),
    ],
)
def test_seconds_dollars_and_cost_stand_in_for_each_other(
    given: dict[str, float], cost: float, seconds: float, usd: float
) -> None:
    result = plan({}, {"x": True}, [{"name": "a", "needs": {}, "effect": {"x": True}, **given}])
    (step,) = result.steps
    assert (step.cost, step.seconds, step.usd) == (cost, seconds, usd)
    assert (result.cost, result.seconds, result.usd) == (cost, seconds, usd)


def test_actions_may_be_objects_and_conditions_pairs() -> None:
    @dataclass(frozen=True)
    class Walk:
        name: str = "walk"
        needs: tuple[tuple[str, object], ...] = (("awake", True),)
        effect: dict[str, object] = field(default_factory=lambda: {"there": True})
        cost: float = 2
        resources: dict[str, int] = field(default_factory=lambda: {"legs": 2})

    (step,) = plan({"awake": True}, [("there", True)], [Walk()]).steps
    assert step.resources == (("legs", 2),)
    assert step.needs == (("awake", True),)


def test_values_of_one_fact_exclude_each_other() -> None:
    class Door(enum.Enum):
        OPEN = 1
        SHUT = 2

    catalogue = [
        action("open", {"door": Door.SHUT}, {"door": Door.OPEN}),
        action("walk", {"door": Door.OPEN}, {"inside": True}),
        action("shut", {"door": Door.OPEN}, {"door": Door.SHUT}),
    ]
    result = plan({"door": Door.SHUT}, {"inside": True, "door": Door.SHUT}, catalogue)
    assert names(result) == ["open", "walk", "shut"]


def test_of_an_unknown_fact_no_condition_holds_until_it_is_observed() -> None:
    for value in (True, False):
        observe = action("observe", {}, {"valid": value})
        train = action("train", {"valid": value}, {"trained": True})
        assert plan({"valid": UNKNOWN}, {"trained": True}, [train]).status is Status.UNREACHABLE
        result = plan({"valid": UNKNOWN}, {"trained": True}, [observe, train])
        assert names(result) == ["observe", "train"]


def test_an_action_can_make_a_fact_unknown_again() -> None:
    catalogue = [
        action("edit", {}, {"edited": True, "checked": UNKNOWN}),
        action("check", {}, {"checked": True}),
    ]
    result = plan({"checked": True}, {"edited": True, "checked": True}, catalogue)
    assert names(result) == ["edit", "check"]


@pytest.mark.parametrize(
    ("free", "expected"), [(3, ["prune"]), (12, []), (30, ["fill"]), (UNKNOWN, ["prune", "fill"])]
)
def test_numbers_are_met_through_thresholds(free: object, expected: list[str]) -> None:
    catalogue = [
        action("prune", {}, {"free_gb": AtLeast(10)}, 5),
        action("fill", {"free_gb": AtLeast(10)}, {"free_gb": Below(20)}, 1),
    ]
    goal = [("free_gb", AtLeast(10)), ("free_gb", Below(20))]
    assert names(plan({"free_gb": free}, goal, catalogue)) == expected


def test_a_number_that_is_assigned_satisfies_every_threshold_it_passes() -> None:
    catalogue = [action("set", {}, {"n": 7})]
    assert plan({}, [("n", AtLeast(7)), ("n", Below(8)), ("n", 7)], catalogue).cost == 1
    assert plan({}, [("n", AtLeast(7.5))], catalogue).status is Status.UNREACHABLE


def test_a_fact_that_was_never_mentioned_is_false_and_the_number_zero() -> None:
    catalogue = [action("go", {"stop": False, "n": AtLeast(0)}, {"gone": True})]
    assert plan({}, {"gone": True}, catalogue).cost == 1
    assert plan({}, [("n", Below(1))], catalogue).cost == 0


def test_a_fact_nobody_declares_is_missing_by_name() -> None:
    result = plan({}, {"tea": True, "sugar": True}, TEA)
    assert result.status is Status.UNREACHABLE
    assert not result
    assert [(m.fact, m.value, m.needed_by) for m in result.missing] == [("sugar", True, ("goal",))]
    assert result.cost == float("inf")


def test_actions_that_need_each_other_do_not_loop() -> None:
    catalogue = [
        action("egg", {"hen": True}, {"egg": True}),
        action("hen", {"egg": True}, {"hen": True}),
    ]
    result = plan({}, {"hen": True}, catalogue)
    assert result.status is Status.UNREACHABLE
    assert len(result.missing) == 1
    assert names(plan({"egg": True}, {"hen": True}, catalogue)) == ["hen"]


def test_ten_thousand_actions_are_fine() -> None:
    rng = random.Random(3)
    catalogue = [
        action(f"a{i}", {f"f{rng.randrange(i)}": True} if i else {}, {f"f{i}": True})
        for i in range(10_000)
    ]
    result = plan({}, {"f9999": True}, catalogue)
    assert result.status is Status.OPTIMAL
    assert simulate(({}, {"f9999": True}, catalogue), names(result))


def test_a_chain_of_a_thousand_is_proved_without_search() -> None:
    catalogue = [
        action(f"a{i}", {f"f{i - 1}": True} if i else {}, {f"f{i}": True}) for i in range(1_000)
    ]
    result = plan({}, {"f999": True}, catalogue)
    assert (result.status, result.cost, result.stats.expanded) == (Status.OPTIMAL, 1_000, 0)


@pytest.mark.parametrize(("lanes", "length"), [(32, 1), (16, 3)])
def test_independent_goals_are_proved_without_search(lanes: int, length: int) -> None:
    catalogue = [
        action(f"a{i}.{j}", {f"f{i}.{j - 1}": True} if j else {}, {f"f{i}.{j}": True})
        for i in range(lanes)
        for j in range(length)
    ]
    goal = {f"f{i}.{length - 1}": True for i in range(lanes)}
    result = plan({}, goal, catalogue)
    assert (result.status, result.cost) == (Status.OPTIMAL, lanes * length)
    assert result.stats.expanded == 0
    assert len(result.stages) == length


def test_independent_parts_that_need_search_are_searched_one_by_one() -> None:
    """Each part hides its optimum from both bounds; together they would multiply."""
    catalogue = []
    for i in range(8):
        catalogue += [
            action(f"mine{i}", {}, {f"money{i}": True}, 10),
            action(f"eat{i}", {f"money{i}": True}, {f"fed{i}": True, f"money{i}": False}, 2),
        ]
    goal = {f"{fact}{i}": True for i in range(8) for fact in ("money", "fed")}
    result = plan({}, goal, catalogue)
    assert (result.status, result.cost) == (Status.OPTIMAL, 8 * 22)
    assert result.stats.expanded <= 2 * len(result.steps)


def test_an_answer_becomes_json_without_infinities() -> None:
    unreachable = plan({}, {"x": True}, TEA).as_dict()
    assert (unreachable["cost"], unreachable["status"]) == (None, "unreachable")
    first = plan({}, {"tea": True}, TEA).as_dict()["steps"][0]
    assert first["cost"] == {"total": 3, "seconds": 3, "usd": 0.0}
    assert first["why"] == [["hot", "brew"]]
