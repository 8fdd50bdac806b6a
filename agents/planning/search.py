"""The stages of a search, each of which leaves a usable answer.

Relaxed plans give a first plan, landmarks a lower bound. Where they meet, the plan is proved
without any search. Otherwise goals that share nothing are parted, and each part is searched by
A* below the plan in hand; what A* cannot finish in its share of the time is improved locally.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.planning.improve import improvements
from agents.planning.landmarks import action_landmarks
from agents.planning.limits import Budget, Limits, Stopped
from agents.planning.lmcut import Landmark, LmCut
from agents.planning.lookahead import first_plan, without_waste
from agents.planning.space import StateSpace
from agents.planning.split import components, restricted, touched_by
from agents.planning.stubborn import StubbornSets
from agents.planning.task import Task

__all__ = ["Found", "search"]

_LOOKAHEAD = 400
_LONGEST = 1 << 16
_SHARE_OF_PROOF = 0.5
_QUICK_PATIENCE = 10
_PATIENCE = 2_000
_TIE_EXPANSIONS = 300


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
        weights = tie_weights(task)
        found.plan = first_plan(task, weights, budget, evaluations=_LOOKAHEAD)
        budget.stage_done("first plan")
        _bound(task, found)
        budget.stage_done("lower bound")
        if found.plan is not None and not found.proved(task):
            found.plan = without_waste(task, found.plan, weights)
        if not found.proved(task):
            _parts(task, budget, found)
        if found.proved(task) and found.plan:
            found.plan = _settle_ties(task, weights, budget, found.plan)
    except Stopped as stopped:
        found.stopped_by = stopped.reason
    return found


def _bound(task: Task, found: Found) -> None:
    root = LmCut(task, task.cost).evaluate(task.start, unary_landmarks(task, task.cost))
    if root is None:
        found.unreachable = True
    else:
        found.bound = max(found.bound, root[0])


def _parts(task: Task, budget: Budget, found: Found) -> None:
    """Search the independent parts one by one; the answer is their sum."""
    groups = components(task)
    if len(groups) == 1:
        _prove(task, budget, found)
        return
    plans: list[list[int] | None] = []
    bound = 0
    for number, ops in enumerate(groups):
        part = restricted(task, ops, task.goal & touched_by(task, ops))
        local = Found()
        if found.plan is not None:
            place = {op: i for i, op in enumerate(ops)}
            local.plan = [place[op] for op in found.plan if op in place]
        _bound(part, local)
        if not local.proved(part):
            with budget.part(1 / (len(groups) - number)):
                _prove(part, budget, local)
        if local.unreachable:
            found.unreachable, found.plan = True, None
            return
        found.stopped_by = found.stopped_by or local.stopped_by
        plans.append(None if local.plan is None else [ops[i] for i in local.plan])
        bound += local.bound
    found.bound = max(found.bound, bound)
    if all(plan is not None for plan in plans):
        found.plan = [op for plan in plans if plan is not None for op in plan]


def _prove(task: Task, budget: Budget, found: Found) -> None:
    """Find the cheapest plan by A*, or at least a cheaper one."""
    weights = tie_weights(task)
    try:
        _improve(task, weights, budget, found, share=0.05, patience=_QUICK_PATIENCE)
        if not found.proved(task):
            _search_below(task, budget, found)
    except Stopped as stopped:
        found.stopped_by = stopped.reason
    if found.stopped_by in {"time", "expansions", "memory"} and found.plan is not None:
        _improve(task, weights, budget, found, share=1.0, patience=_PATIENCE)


def _improve(
    task: Task, weights: list[int], budget: Budget, found: Found, *, share: float, patience: int
) -> None:
    if found.plan is None:
        return
    try:
        with budget.part(share):
            for better in improvements(task, found.plan, weights, budget, patience=patience):
                found.plan = better
                if found.proved(task):
                    break
    except Stopped as stopped:
        if stopped.reason == "cancelled":
            raise
    finally:
        budget.stage_done("improvement")


def _search_below(task: Task, budget: Budget, found: Found) -> None:
    costs = list(task.cost)
    space = StateSpace(task, costs, LmCut(task, costs), budget, StubbornSets(task))
    below = None if found.plan is None else task.price(found.plan)
    try:
        with budget.part(1.0 if found.plan is None else _SHARE_OF_PROOF):
            better = space.cheapest(below, unary_landmarks(task, costs))
    finally:
        found.bound = max(found.bound, space.bound)
        budget.stage_done("search")
    found.plan = found.plan if better is None else better
    if found.plan is None:
        found.unreachable = True
    else:
        found.bound = task.price(found.plan)


def _settle_ties(task: Task, weights: list[int], budget: Budget, plan: list[int]) -> list[int]:
    """Of the cheapest plans, the one with fewest actions and most needs.

    A short search: where very many plans are equally good, the one found first stays.
    """
    price = sum([weights[op] for op in plan])
    costs_less = LmCut(task, weights)
    seeds = unary_landmarks(task, weights)
    root = costs_less.evaluate(task.start, seeds)
    if root is None or root[0] >= price:
        return plan
    tie_budget = Budget(
        Limits(seconds=budget.remaining(), expansions=_TIE_EXPANSIONS, clock=budget.clock),
        budget.cancel,
    )
    space = StateSpace(task, weights, costs_less, tie_budget, StubbornSets(task))
    try:
        better = space.cheapest(price, seeds)
    except Stopped:
        better = None
    budget.add(tie_budget)
    budget.stage_done("ties")
    return plan if better is None else better


def unary_landmarks(task: Task, costs: Sequence[int]) -> tuple[Landmark, ...]:
    """The actions every plan contains, as landmarks to start LM-cut from."""
    always = action_landmarks(task, task.start) or []
    return tuple([(costs[op], (op,)) for op in always if costs[op]])


def tie_weights(task: Task) -> list[int]:
    """Costs that also tell equally cheap plans apart: fewer actions, then more needs."""
    needs = [len(action.needs) for action in task.actions]
    per_action = 1 + _LONGEST * max(needs, default=0)
    per_cost = per_action * _LONGEST
    return [
        cost * per_cost + per_action - count for cost, count in zip(task.cost, needs, strict=True)
    ]
