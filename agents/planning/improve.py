"""Make a plan cheaper when the search for the cheapest one is too large to finish.

Two neighbourhoods take turns. Relaxed plans under changed costs: what the plan already pays for is
taken to be nearly free, one of its actions is forbidden, and the rest is shaken a little. And
windows: a few consecutive actions are replaced by the cheapest ones that serve the rest of the
plan as well. The changes are drawn from a fixed seed, so the same problem is improved in the
same way every time.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from agents.planning.limits import Budget, Stopped
from agents.planning.lmcut import LmCut
from agents.planning.lookahead import follow, without_waste
from agents.planning.relaxed import relaxed_plan
from agents.planning.space import StateSpace
from agents.planning.stubborn import StubbornSets
from agents.planning.task import Task

__all__ = ["improvements"]

_FORBIDDEN = 1 << 120
_EVALUATIONS = 4
_TURN = 6
_WINDOW = 12
_WINDOW_EXPANSIONS = 40


def improvements(
    task: Task,
    plan: list[int],
    costs: Sequence[int],
    budget: Budget,
    *,
    patience: int,
    seed: int = 0,
) -> Iterator[list[int]]:
    """Ever cheaper plans.

    Args:
        task: The problem.
        plan: A plan for it.
        costs: What each operator costs.
        budget: Checked before every attempt.
        patience: Attempts in a row without success before it gives up.
        seed: Of the random changes.

    Raises:
        Stopped: At a limit of the budget.
    """
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    best = price = sum([costs[op] for op in plan])
    failures = attempts = 0
    while failures < patience:
        budget.check()
        failures += 1
        attempts += 1
        if attempts % _TURN:
            candidate = _attempt(task, plan, costs, rng)
        else:
            candidate = _window(task, plan, costs, budget, rng)
        if candidate is None:
            continue
        cost = sum([costs[op] for op in candidate])
        if cost < best:
            best, failures = cost, 0
            yield candidate
        if cost <= price * (1 + 0.02 * rng.random()):  # sideways and slightly uphill, too
            plan, price = candidate, cost


def _attempt(
    task: Task, plan: list[int], costs: Sequence[int], rng: random.Random
) -> list[int] | None:
    """One plan under changed costs, or `None` if the relaxed plans led nowhere."""
    discount = rng.choice((0.0, 0.1, 0.3, 0.6))
    shake = rng.choice((0.0, 0.2, 0.5))
    changed = [int(cost * (1 + shake * (rng.random() - 0.5))) for cost in costs]
    for op in plan:
        changed[op] = int(changed[op] * discount)
    for op in rng.sample(plan, min(len(plan), rng.choice((1, 1, 2, 3)))):
        changed[op] = _FORBIDDEN
    state = task.start
    found: list[int] = []
    for _ in range(_EVALUATIONS):
        relaxed = relaxed_plan(task, state, changed)
        if relaxed is None:
            return None
        state, taken = follow(task, state, relaxed[1])
        found += taken
        if not task.goal & ~state:
            return without_waste(task, found, costs)
        if not taken:
            return None
    return None


def _window(
    task: Task, plan: list[int], costs: Sequence[int], budget: Budget, rng: random.Random
) -> list[int] | None:
    """The plan with some consecutive actions replaced by the cheapest that do, if there are."""
    size = rng.randint(2, _WINDOW)
    first = rng.randrange(max(1, len(plan) - size + 1))
    before, after = plan[:first], plan[first + size :]
    needed = task.goal
    for op in reversed(after):
        needed = needed & ~task.add[op] | task.pre[op]
    start = task.run(before)
    if start is None or not plan[first : first + size]:
        return None
    inner = replace(task, start=start, goal=needed)
    space = StateSpace(inner, list(costs), LmCut(inner, costs), budget, StubbornSets(inner))
    below = sum([costs[op] for op in plan[first : first + size]])
    try:
        with budget.at_most(_WINDOW_EXPANSIONS):
            cheaper = space.cheapest(below)
    except Stopped:
        if budget.used_up():
            raise
        return None
    if cheaper is None:
        return None
    return without_waste(task, [*before, *cheaper, *after], costs)
