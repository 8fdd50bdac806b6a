"""The stages of a search, each of which leaves a usable answer."""

from dataclasses import dataclass

from agents.planning.compile import Task
from agents.planning.landmarks import action_landmarks
from agents.planning.limits import Budget, Stopped
from agents.planning.lmcut import Landmark, LmCut
from agents.planning.lookahead import first_plan, without_waste
from agents.planning.relaxed import Relaxed
from agents.planning.space import StateSpace
from agents.planning.stubborn import StubbornSets

__all__ = ["Found", "search"]

_LOOKAHEAD = 400
_LONGEST = 1 << 16


@dataclass(slots=True)
class Found:
    """What is known about the cheapest plan of a task, in scaled costs.

    Attributes:
        plan: The best plan so far.
        bound: No plan costs less.
        unreachable: There is no plan; proved.
        stopped_by: Which limit ended the search, if one did.
    """

    plan: list[int] | None = None
    bound: int = 0
    unreachable: bool = False
    stopped_by: str = ""

    def proved(self, task: Task) -> bool:
        """Whether nothing is left to find out."""
        return self.unreachable or (self.plan is not None and task.price(self.plan) <= self.bound)


def search(task: Task, budget: Budget) -> Found:
    """The cheapest plan of a task as far as the budget goes."""
    found = Found()
    try:
        _stages(task, budget, found)
    except Stopped as stopped:
        found.stopped_by = stopped.reason
    return found


def _stages(task: Task, budget: Budget, found: Found) -> None:
    relaxed = Relaxed(task)
    weights = tie_weights(task)
    plan = first_plan(relaxed, weights, budget, evaluations=_LOOKAHEAD)
    found.plan = plan
    budget.stage_done("first plan")
    seeds = unary_landmarks(relaxed, list(task.cost))
    heuristic = LmCut(relaxed, list(task.cost))
    root = heuristic.evaluate(task.start, seeds)
    if root is None:
        found.unreachable = True
        return
    found.bound = root[0]
    budget.stage_done("root bound")
    if found.plan is not None and task.price(found.plan) > found.bound:
        found.plan = without_waste(task, found.plan, weights)
    if found.proved(task):
        return
    space = StateSpace(task, list(task.cost), heuristic, budget, StubbornSets(task))
    below = None if found.plan is None else task.price(found.plan)
    try:
        better = space.cheapest(below, seeds)
    finally:
        found.bound = max(found.bound, space.bound)
        budget.stage_done("search")
    if better is not None:
        found.plan = better
    if found.plan is None:
        found.unreachable = True
    else:
        found.bound = task.price(found.plan)


def unary_landmarks(relaxed: Relaxed, costs: list[int]) -> tuple[Landmark, ...]:
    """The actions every plan contains, as landmarks to start LM-cut from."""
    always = action_landmarks(relaxed, relaxed.task.start) or []
    return tuple([(costs[op], (op,)) for op in always if costs[op]])


def tie_weights(task: Task) -> list[int]:
    """Costs that also tell equally cheap plans apart: fewer actions, then more needs."""
    needs = [len(action.needs) for action in task.actions]
    per_action = 1 + _LONGEST * max(needs, default=0)
    per_cost = per_action * _LONGEST
    return [
        cost * per_cost + per_action - count for cost, count in zip(task.cost, needs, strict=True)
    ]
