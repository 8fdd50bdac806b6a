"""What must hold of every answer, on random problems and against an exhaustive judge."""

import random
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_problems import Problem, action, cheapest, random_order, random_problem, simulate

from agents.planning import Limits, PlanResult, Status, explain_missing, plan
from agents.planning.compile import compile_task
from agents.planning.operator_index import Operators
from agents.planning.operators import declare_all
from agents.planning.search.landmarks import action_landmarks
from agents.planning.search.lmcut import LmCut
from agents.planning.task import Task

SEEDS = st.integers(0, 10**9)
FIXED = settings(max_examples=60, derandomize=True, deadline=None, database=None)


def sized(seed: int) -> Problem:
    return random_problem(seed, facts=4 + seed % 5, actions=5 + seed % 11)


def actions_of(result: PlanResult) -> list[str]:
    return [step.action for step in result.steps]


@pytest.mark.parametrize("block", range(10))
def test_a_hundred_small_problems_cost_what_dijkstra_says(block: int) -> None:
    for seed in range(100 * block, 100 * block + 100):
        problem = sized(seed)
        result, optimum = plan(*problem), cheapest(problem)
        if optimum is None:
            assert result.status is Status.UNREACHABLE, seed
        else:
            assert result.status is Status.OPTIMAL, seed
            assert result.cost == pytest.approx(optimum), seed
            assert simulate(problem, actions_of(result)), seed


def test_two_thousand_random_linear_orders_are_all_valid() -> None:
    checked, seed = 0, 50_000
    while checked < 2_000:
        seed += 1
        problem = random_problem(seed, facts=8, actions=12)
        result = plan(*problem)
        if len(result.steps) < 3:
            continue
        rng = random.Random(seed)
        for _ in range(20):
            assert simulate(problem, random_order(result, rng)), seed
            checked += 1


@FIXED
@given(SEEDS)
def test_each_step_of_an_optimal_plan_brings_the_optimum_nearer_by_its_cost(seed: int) -> None:
    start, goal, actions = sized(seed)
    result = plan(start, goal, actions)
    world, left = dict(start), result.cost
    effects = {a["name"]: a["effect"] for a in actions}
    for step in result.steps:
        world.update(effects[step.action])
        left -= step.cost
        assert plan(world, goal, actions).cost == pytest.approx(left)


def compiled(problem: Problem) -> Task | None:
    start, goal, actions = problem
    return compile_task(start, tuple(goal.items()), Operators(declare_all(actions)))


def distances(task: Task) -> dict[int, float]:
    """The cost of the goal from every reachable state, by relaxation until nothing changes."""
    states, edges = {task.start}, []
    stack = [task.start]
    while stack:
        state = stack.pop()
        for op, pre in enumerate(task.pre):
            if not pre & ~state:
                after = state & ~task.delete[op] | task.add[op]
                edges.append((state, task.cost[op], after))
                if after not in states:
                    states.add(after)
                    stack.append(after)
    best = {s: float("inf") if task.goal & ~s else 0.0 for s in states}
    changed = True
    while changed:
        changed = False
        for before, cost, after in edges:
            if cost + best[after] < best[before]:
                best[before], changed = cost + best[after], True
    return best


@FIXED
@given(SEEDS)
def test_no_estimate_exceeds_the_true_distance_in_any_reachable_state(seed: int) -> None:
    task = compiled(random_problem(seed, facts=5, actions=8))
    if task is None:
        return
    heuristic = LmCut(task, task.cost)
    for state, distance in distances(task).items():
        always = action_landmarks(task, state)
        found = heuristic.evaluate(state)
        if found is None or always is None:
            assert found is None
            assert always is None
            assert distance == float("inf")
            continue
        assert found[0] <= distance
        assert sum(task.cost[op] for op in always) <= distance
        # A child inherits the landmarks of its parent that it did not use.
        for op, pre in enumerate(task.pre):
            if not pre & ~state:
                child = state & ~task.delete[op] | task.add[op]
                inherited = tuple(mark for mark in found[1] if op not in mark[1])
                below = heuristic.evaluate(child, inherited)
                assert below is None or below[0] <= distances_from(task, child)


def distances_from(task: Task, state: int) -> float:
    key = (id(task), state)
    if key not in _distances:
        _distances.clear()
        _distances.update({(id(task), s): d for s, d in distances(task).items()})
    return _distances[key]


_distances: dict[tuple[int, int], float] = {}


@FIXED
@given(SEEDS)
def test_renaming_permuting_and_irrelevant_actions_change_nothing(seed: int) -> None:
    start, goal, actions = sized(seed)
    result = plan(start, goal, actions)
    rng = random.Random(seed)

    noise = [action(f"noise{i}", {}, {f"noise{i}": True}) for i in range(10)]
    places = sorted(rng.choices(range(len(actions) + 1), k=len(noise)), reverse=True)
    mixed = list(actions)
    for place, extra in zip(places, noise, strict=True):
        mixed.insert(place, extra)
    assert plan(dict(reversed(start.items())), goal, mixed).digest == result.digest

    shuffled = rng.sample(actions, len(actions))
    assert plan(start, goal, shuffled).cost == result.cost

    def renamed(conditions: dict[str, Any]) -> dict[str, Any]:
        return {f"z{len(fact)}{fact[::-1]}": value for fact, value in conditions.items()}

    others = [
        {**a, "name": f"Q{a['name']}", "needs": renamed(a["needs"]), "effect": renamed(a["effect"])}
        for a in actions
    ]
    answer = plan(renamed(start), renamed(goal), others)
    assert [f"Q{name}" for name in actions_of(result)] == actions_of(answer)


@FIXED
@given(SEEDS)
def test_a_cap_on_money_gives_what_exhaustive_search_gives(seed: int) -> None:
    problem = sized(seed)
    if cheapest(problem) is None:
        return
    last = float("inf")
    for cap in (0, 1, 2.5, 3.5, 6, 100):
        result, optimum = plan(*problem, max_usd=cap), cheapest(problem, cap)
        if optimum is None:
            assert result.status is Status.OVER_BUDGET
            assert result.usd > cap
            assert cheapest(problem, result.usd) is not None
        else:
            assert result.status is Status.OPTIMAL
            assert result.cost == pytest.approx(optimum)
            assert result.usd <= cap
        assert result.cost <= last  # more money never makes the plan dearer
        last = result.cost


@FIXED
@given(SEEDS)
def test_what_is_missing_makes_the_goal_reachable_and_no_part_of_it_does(seed: int) -> None:
    start, goal, actions = sized(seed)
    if cheapest((start, goal, actions)) is not None:
        return
    explanation = explain_missing(start, goal, actions)
    missing = [(m.fact, m.value) for m in explanation.missing]
    assert explanation.then
    assert cheapest(({**start, **dict(missing)}, goal, actions)) is not None
    for size in range(len(missing)):
        for part in combinations(missing, size):
            assert cheapest(({**start, **dict(part)}, goal, actions)) is None


@FIXED
@given(SEEDS, st.integers(0, 40))
def test_a_limit_never_makes_a_reachable_goal_unreachable(seed: int, expansions: int) -> None:
    problem = sized(seed)
    optimum = cheapest(problem)
    result = plan(*problem, limits=Limits(expansions=expansions))
    if optimum is None:
        assert result.status in {Status.UNREACHABLE, Status.LIMIT}
        return
    assert result.status in {Status.OPTIMAL, Status.BOUNDED, Status.LIMIT}
    assert result.lower_bound <= optimum + 1e-9
    if result:
        assert simulate(problem, actions_of(result))
        assert result.cost >= optimum - 1e-9


@FIXED
@given(SEEDS)
def test_ties_go_to_fewer_actions_and_then_to_more_needs(seed: int) -> None:
    start, goal, actions = sized(seed)
    exact = [
        {**a, "cost": round(a["cost"] * 10) * 10**8 + 10**4 - len(a["needs"])} for a in actions
    ]
    optimum = cheapest((start, goal, exact))
    result = plan(start, goal, actions)
    price = {a["name"]: a["cost"] for a in exact}
    if optimum is not None:
        assert sum(price[name] for name in actions_of(result)) == optimum


@FIXED
@given(SEEDS)
def test_the_same_question_has_the_same_answer_to_the_last_bit(seed: int) -> None:
    one, other = plan(*sized(seed)), plan(*sized(seed))
    assert one == other
    assert one.digest == other.digest
