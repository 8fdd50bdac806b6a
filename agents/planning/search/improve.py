"""Make a plan cheaper when the search for the cheapest one is too large to finish.

Three neighbourhoods take turns. Relaxed plans under changed costs: what the plan already pays for
is taken to be nearly free, one of its actions is forbidden, and the rest is shaken a little.
Windows: a few consecutive actions are replaced by the cheapest ones that serve the rest of the
plan as well. Annealing over the choice of suppliers. All chance comes from a fixed seed, so the
same problem is improved in the same way every time.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from agents.planning.limits import Budget, Stopped
from agents.planning.search.anneal import Annealing
from agents.planning.search.lmcut import LmCut
from agents.planning.search.lookahead import follow, serving, without_waste
from agents.planning.search.relaxed import relaxed_plan
from agents.planning.search.space import StateSpace
from agents.planning.search.stubborn import StubbornSets
from agents.planning.task import Task

__all__ = ["improvements"]

_FORBIDDEN = 1 << 120
_EVALUATIONS = 4
_WINDOWS_AT_FIRST = 0.2
_ATTEMPTS = 60
_STEPS = 3_000
_POOL = 3
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
    search = _Improvement(task, plan, costs, budget, seed)
    failures = 0
    for candidate in search.candidates():
        failures += 1
        if candidate is not None and search.take(candidate):
            failures = 0
            yield search.pool[0][1]
        if failures >= patience:
            return


class _Improvement:
    """The few best plans so far, and the moves away from them.

    Attributes:
        pool: Good and different plans with their costs, the best first.
    """

    def __init__(
        self, task: Task, plan: list[int], costs: Sequence[int], budget: Budget, seed: int
    ) -> None:
        self.task = task
        self.costs = costs
        self.budget = budget
        self.rng = random.Random(seed)  # noqa: S311 - not for secrets
        self.pool = [(self._price(plan), plan)]
        self.annealing = Annealing(task, costs, self.rng)
        self._shaken = [list(costs)] + [
            [int(cost * (1 + share * (self.rng.random() - 0.5))) for cost in costs]
            for share in (0.2, 0.5, 1.0)
            for _ in range(_SHAKEN)
        ]
        self._windows = _WINDOWS_AT_FIRST

    def _price(self, plan: list[int]) -> int:
        costs = self.costs
        return sum([costs[op] for op in plan])

    def candidates(self) -> Iterator[list[int] | None]:
        """Plans that may be cheaper, without end; `None` for an attempt that led nowhere."""
        while True:
            for _ in range(_ATTEMPTS):
                self.budget.check()
                yield self._neighbour()
            yield from self._annealed()
            yield None

    def take(self, plan: list[int]) -> bool:
        """Clean a plan, keep it if it is good and different; whether it is the best so far."""
        best = self.pool[0][0]
        cost = self._price(plan)
        if cost < best * _WORTH_CLEANING:
            plan = without_waste(self.task, plan, self.costs)
            cost = self._price(plan)
        used = set(plan)
        if not any(price == cost and set(other) == used for price, other in self.pool):
            self.pool.append((cost, plan))
            self.pool.sort(key=lambda entry: entry[0])
            del self.pool[_POOL:]
        return cost < best

    def _neighbour(self) -> list[int] | None:
        rng = self.rng
        base = rng.choice(self.pool)[1]
        if rng.random() >= self._windows:
            return _attempt(
                self.task, base, rng.choice(self.pool)[1], rng.choice(self._shaken), rng
            )
        candidate = _window(self.task, base, self.costs, self.budget, rng)
        # A window takes long: more of them only where they pay.
        pays = candidate is not None and self._price(candidate) < self.pool[0][0]
        self._windows = min(0.5, self._windows * 1.5) if pays else max(0.01, self._windows * 0.9)
        return candidate

    def _annealed(self) -> Iterator[list[int] | None]:
        rng = self.rng
        base = rng.choice(self.pool)[1]
        if not base:
            return
        self.annealing.begin(base, rng.choice(self._shaken))
        hottest = self._price(base) / len(base) * rng.choice((0.2, 0.5, 1.0))
        tried: set[frozenset[int]] = set()
        for cost, ops in self.annealing.run(_STEPS, hottest, hottest / 50):
            self.budget.check()
            if cost < self.pool[0][0]:
                chosen = frozenset(ops)
                if chosen not in tried:
                    tried.add(chosen)
                    yield self._realised(ops)

    def _realised(self, ops: list[int]) -> list[int] | None:
        """A plan from operators that reach the goal if nothing is undone."""
        state, prefix = follow(self.task, self.task.start, ops)
        cheap = list(self.costs)
        for op in ops:
            cheap[op] //= 10
        for _ in range(_EVALUATIONS):
            if not self.task.goal & ~state:
                return serving(self.task, prefix)
            relaxed = relaxed_plan(self.task, state, cheap)
            if relaxed is None:
                return None
            state, taken = follow(self.task, state, relaxed[1])
            prefix += taken
        return None


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
    prefix: list[int] = []
    for _ in range(_EVALUATIONS):
        relaxed = relaxed_plan(task, state, changed)
        if relaxed is None:
            return None
        state, taken = follow(task, state, relaxed[1])
        prefix += taken
        if not task.goal & ~state:
            return serving(task, prefix)
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
