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
from agents.planning.lookahead import follow, serving, without_waste
from agents.planning.relaxed import relaxed_plan
from agents.planning.space import StateSpace
from agents.planning.stubborn import StubbornSets
from agents.planning.task import Task

__all__ = ["improvements"]

_FORBIDDEN = 1 << 120
_EVALUATIONS = 4
_WINDOWS_AT_FIRST = 0.2
_POOL = 8
_STALE = 300
_SHAKEN = 8
_WORTH_CLEANING = 1.1
_WINDOW = 12
_WINDOW_EFFORT = 8_000
_LEAST_EXPANSIONS = 15


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
    shaken = _shaken(costs, rng)
    best = sum([costs[op] for op in plan])
    pool = [(best, plan)]
    failures = stale = 0
    windows = _WINDOWS_AT_FIRST
    while failures < patience:
        budget.check()
        failures, stale = failures + 1, stale + 1
        base = pool[min(int(rng.expovariate(1.0)), len(pool) - 1)][1]
        is_window = rng.random() < windows
        if stale > _STALE:  # a fresh start, far from where nothing gets better any more
            pool, base, stale, is_window = [], [], 0, False
        if is_window:
            candidate = _window(task, base, costs, budget, rng)
        else:
            other = rng.choice(pool)[1] if pool else []
            candidate = _attempt(task, base, other, rng.choice(shaken), rng)
        if candidate is None:
            pool = pool or [(best, plan)]
            windows = max(0.01, windows * 0.9) if is_window else windows
            continue
        candidate, cost = _cleaned(task, candidate, costs, pool)
        if pool and cost < pool[0][0]:
            stale = 0
            windows = min(0.5, windows * 1.5) if is_window else windows
        if cost < best:
            best, plan, failures = cost, candidate, 0
            yield candidate
        _keep(pool, cost, candidate)


def _shaken(costs: Sequence[int], rng: random.Random) -> list[list[int]]:
    """The costs and some random variations of them."""
    varied = [
        [int(cost * (1 + share * (rng.random() - 0.5))) for cost in costs]
        for share in (0.2, 0.5, 1.0)
        for _ in range(_SHAKEN)
    ]
    return [list(costs), *varied]


def _cleaned(
    task: Task, plan: list[int], costs: Sequence[int], pool: list[tuple[int, list[int]]]
) -> tuple[list[int], int]:
    """A plan without waste and its cost; one that is far too dear is not worth the cleaning."""
    cost = sum([costs[op] for op in plan])
    if pool and cost >= pool[0][0] * _WORTH_CLEANING:
        return plan, cost
    plan = without_waste(task, plan, costs)
    return plan, sum([costs[op] for op in plan])


def _keep(pool: list[tuple[int, list[int]]], cost: int, plan: list[int]) -> None:
    """Take a plan into the pool of good and different ones, the best first."""
    used = set(plan)
    if any(price == cost and set(other) == used for price, other in pool):
        return
    pool.append((cost, plan))
    pool.sort(key=lambda entry: entry[0])
    del pool[_POOL:]


def _attempt(
    task: Task, plan: list[int], other: list[int], costs: Sequence[int], rng: random.Random
) -> list[int] | None:
    """One plan under changed costs, or `None` if the relaxed plans led nowhere."""
    discount = rng.choice((0.0, 0.1, 0.3, 0.6))
    changed = list(costs)
    for op in {*plan, *other} if rng.random() < 0.3 else set(plan):
        changed[op] = int(changed[op] * discount)
    for op in rng.sample(plan, min(len(plan), rng.choice((1, 1, 2, 3, 5)))):
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
            return serving(task, found)
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
    space = StateSpace(
        inner, list(costs), LmCut(inner, costs), budget, StubbornSets(inner, enabled=False)
    )
    below = sum([costs[op] for op in plan[first : first + size]])
    try:
        with budget.at_most(max(_LEAST_EXPANSIONS, _WINDOW_EFFORT // len(task.actions))):
            cheaper = space.cheapest(below)
    except Stopped:
        if budget.used_up():
            raise
        return None
    if cheaper is None:
        return None
    return [*before, *cheaper, *after]
