"""Numbers, thresholds and unknown facts on random problems, against an exhaustive judge."""

import heapq
import random

import pytest

from agents.errors import UsageError
from agents.planning import (
    UNKNOWN,
    AtLeast,
    Below,
    Status,
    explain_missing,
    plan,
    still_valid,
)
from agents.planning.values import Condition, apply_effect, holds

FACTS = ("a", "b", "c", "gb", "n")
NUMBERS = ("gb", "n")
Problem = tuple[dict[str, object], list[Condition], list[dict[str, object]]]


def _conditions(rng: random.Random, least: int, most: int) -> list[Condition]:
    found: list[Condition] = []
    for fact in rng.sample(FACTS, rng.randint(least, most)):
        if fact not in NUMBERS:
            found.append((fact, rng.random() < 0.7))
            continue
        threshold = rng.choice([AtLeast, Below])(rng.choice([2, 5, 8]))
        found.append((fact, threshold))
        if rng.random() < 0.2:
            found.append((fact, Below(9) if isinstance(threshold, AtLeast) else AtLeast(1)))
    return found


def _effect(rng: random.Random) -> list[Condition]:
    found: list[Condition] = []
    for fact in rng.sample(FACTS, rng.randint(1, 2)):
        bound = rng.choice([2, 5, 8])
        numbers = [AtLeast(bound), Below(bound), rng.randint(0, 10), UNKNOWN]
        found.append((fact, rng.choice(numbers if fact in NUMBERS else [True, False, UNKNOWN])))
    return found


def _problem(seed: int) -> Problem:
    rng = random.Random(seed)
    start: dict[str, object] = {fact: rng.choice([True, False, UNKNOWN]) for fact in "abc"}
    start |= {"gb": rng.choice([UNKNOWN, 0, 3, 6, 9]), "n": rng.choice([UNKNOWN, 4])}
    if rng.random() < 0.3:
        del start["n"]
    actions: list[dict[str, object]] = [
        {
            "name": f"x{i}",
            "needs": _conditions(rng, 0, 3),
            "effect": _effect(rng),
            "cost": rng.choice([1, 2, 3]),
        }
        for i in range(rng.randint(4, 10))
    ]
    return start, _conditions(rng, 1, 3), actions


def _cheapest(problem: Problem) -> float | None:
    start, goal, actions = problem
    queue: list[tuple[int, int, dict[str, object]]] = [(0, 0, start)]
    seen: set[tuple[str, ...]] = set()
    count = 0
    while queue:
        cost, _, world = heapq.heappop(queue)
        key = tuple(repr(world.get(fact, False)) for fact in FACTS)
        if key in seen:
            continue
        seen.add(key)
        if all(holds(world.get(fact, False), value) for fact, value in goal):
            return cost
        for a in actions:
            needs, effect, price = a["needs"], a["effect"], a["cost"]
            assert isinstance(needs, list)
            assert isinstance(effect, list)
            assert isinstance(price, int)
            if all(holds(world.get(fact, False), value) for fact, value in needs):
                count += 1
                heapq.heappush(queue, (cost + price, count, apply_effect(world, effect)))
    return None


@pytest.mark.parametrize("block", range(5))
def test_two_hundred_problems_with_numbers_cost_what_dijkstra_says(block: int) -> None:
    for seed in range(200 * block, 200 * block + 200):
        problem = _problem(seed)
        try:
            result = plan(*problem)
        except UsageError:
            continue  # a random goal or need contradicted itself
        optimum = _cheapest(problem)
        if optimum is None:
            assert result.status is Status.UNREACHABLE, seed
            assert explain_missing(*problem).then, seed
        else:
            assert (result.status, result.cost) == (Status.OPTIMAL, optimum), seed
            assert still_valid(result, problem[0]), seed


def test_what_is_assumed_of_one_number_can_be_true_at_once() -> None:
    """Lowering a number and then raising it would leave a bound nobody can supply."""
    problem = _problem(383)
    missing = explain_missing(*problem).missing
    bounds = [m.value for m in missing if m.fact == "n"]
    low = max([b.bound for b in bounds if isinstance(b, AtLeast)], default=float("-inf"))
    high = min([b.bound for b in bounds if isinstance(b, Below)], default=float("inf"))
    assert low < high
