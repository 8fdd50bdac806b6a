"""A cap on money as a second dimension of the search.

A node is a state and what was spent to reach it. A node that is neither cheaper nor less spent
than another one of the same state is dropped, and so is one from which every plan would go
over the cap, by an LM-cut bound of its own.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from agents.planning.compile import exact, scaled
from agents.planning.limits import Budget, Stopped
from agents.planning.search.lmcut import Landmark, LmCut
from agents.planning.search.space import StateSpace, lost_with
from agents.planning.search.stages import SearchResult, search
from agents.planning.search.stubborn import StubbornSets
from agents.planning.task import Task

__all__ = ["Affordable", "search_within"]


@dataclass(slots=True)
class Affordable(SearchResult):
    """What is known about the cheapest plan within the cap.

    Attributes:
        over_budget: Every plan costs more money; proved.
        least: The plan that costs least money, as far as known.
    """

    over_budget: bool = False
    least: list[int] | None = None


def search_within(task: Task, max_usd: float, budget: Budget) -> Affordable:
    """The cheapest of the plans whose price is at most `max_usd`."""
    prices, scale = scaled([action.usd for action in task.actions])
    cap = int(exact(max_usd) * scale)
    answer = Affordable()
    with budget.part(0.4):
        free = search(task, budget)
    answer.plan, answer.bound = free.plan, free.bound
    answer.unreachable, answer.stopped_by = free.unreachable, free.stopped_by
    if free.unreachable or (free.plan is not None and _price(prices, free.plan) <= cap):
        return answer
    answer.plan = None
    per_dollar = (1 + sum(task.cost)) << 16
    with budget.part(0.5):
        weights = [p * per_dollar + c for p, c in zip(prices, task.cost, strict=True)]
        frugal = search(replace(task, cost=tuple(weights)), budget)
    answer.least = frugal.plan
    if frugal.bound // per_dollar > cap and frugal.plan is not None:
        answer.over_budget = True
        answer.stopped_by = ""
        return answer
    if frugal.plan is not None and _price(prices, frugal.plan) <= cap:
        answer.plan = frugal.plan
    _both(task, prices, cap, budget, answer)
    return answer


def _price(prices: tuple[int, ...], plan: list[int]) -> int:
    return sum([prices[op] for op in plan])


def _both(
    task: Task, prices: tuple[int, ...], cap: int, budget: Budget, answer: Affordable
) -> None:
    """Search both dimensions, below the affordable plan in hand."""
    space = CappedSpace(task, prices, cap, budget)
    below = None if answer.plan is None else task.price(answer.plan)
    answer.stopped_by = ""
    try:
        better = space.cheapest(below)
    except Stopped as stopped:
        answer.stopped_by = stopped.reason
        answer.bound = max(answer.bound, space.bound)
        return
    finally:
        budget.stage_done("money")
    answer.plan = answer.plan if better is None else better
    if answer.plan is None:
        answer.over_budget = True
    else:
        answer.bound = task.price(answer.plan)


class CappedSpace(StateSpace):
    """States with what was spent to reach them, up to a cap.

    Args:
        task: The problem; its costs are what is minimised.
        prices: What each operator costs in money, whole numbers.
        cap: What may be spent at most, in the same unit.
        budget: What the search may use.
    """

    def __init__(self, task: Task, prices: tuple[int, ...], cap: int, budget: Budget) -> None:
        costs = list(task.cost)
        super().__init__(task, costs, LmCut(task, costs), budget, StubbornSets(task))
        self.prices = prices
        self.cap = cap
        self._width = len(task.atoms)
        self._state_bits = (1 << self._width) - 1
        self._expanded: dict[int, list[tuple[int, int]]] = {}
        self._price_bound = LmCut(task, prices)
        self._to_spend: dict[int, int] = {}

    def _children(self, key: int, estimate: int, landmarks: tuple[Landmark, ...]) -> dict[int, int]:
        state, spent = key & self._state_bits, key >> self._width
        reached = self.distance[key]
        labels = self._expanded.setdefault(state, [])
        if any(cost <= reached and bill <= spent for cost, bill in labels):
            return {}
        labels.append((reached, spent))
        lost = lost_with(landmarks)
        applicable = [entry for entry in self._operators if not entry[1] & ~state]
        neighbours: dict[int, int] = {}
        for op, _, add, delete, cost in self.pruning.prune(state, applicable, landmarks):
            child = state & ~delete | add
            bill = spent + self.prices[op]
            if not child & ~state or bill + self._still_to_spend(child) > self.cap:
                continue
            self.budget.generated += 1
            child_key = bill << self._width | child
            if reached + cost < self.distance.get(child_key, 1 << 300):
                self.distance[child_key] = reached + cost
            node = child_key << 1
            neighbours[node] = min(neighbours.get(node, 1 << 300), cost * self._unit)
            self._promised(child, estimate - lost.get(op, 0), state, op)
        return neighbours

    def _still_to_spend(self, state: int) -> int:
        to_spend = self._to_spend.get(state)
        if to_spend is None:
            bound = self._price_bound.evaluate(state)
            to_spend = self._to_spend[state] = self.cap + 1 if bound is None else bound[0]
        return to_spend

    def _operators_of(self, keys: list[int]) -> list[int]:
        """Operators between neighbouring nodes; they must also cost what was spent."""
        path = []
        for before, after in pairwise(keys):
            old, new = before & self._state_bits, after & self._state_bits
            bill = (after >> self._width) - (before >> self._width)
            fitting = [
                (cost, -pre.bit_count(), op)
                for op, pre, add, delete, cost in self._operators
                if self.prices[op] == bill and not pre & ~old and old & ~delete | add == new
            ]
            path.append(min(fitting)[2])
        return path
