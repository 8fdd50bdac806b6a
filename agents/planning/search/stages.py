"""The stages of a search, each of which leaves a usable answer.

Relaxed plans give a first plan, landmarks a lower bound. Where they meet, the plan is proved
without any search. Otherwise goals that share nothing are parted, and each part is searched by
A* below the plan in hand; what A* cannot finish in its share of the time is improved locally.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.planning.limits import Budget, Stopped
from agents.planning.search.improve import improvements
from agents.planning.search.landmarks import action_landmarks
from agents.planning.search.lmcut import Landmark, LmCut
from agents.planning.search.lookahead import first_plan, without_waste
from agents.planning.search.space import StateSpace
from agents.planning.search.split import components, restricted, touched_by
from agents.planning.search.stubborn import StubbornSets
from agents.planning.task import Task

__all__ = ["SearchResult", "search"]

_LOOKAHEAD = 400
_LONGEST = 1 << 16
_SMALL = 150
_TRIAL_EXPANSIONS = 300
_SHARE_OF_PROOF = 0.4
_QUICK_PATIENCE = 10
_PATIENCE = 5_000


@dataclass(slots=True)
class SearchResult:
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
        """Whether nothing is left to find out about the cost."""
        return self.unreachable or (self.plan is not None and task.price(self.plan) <= self.bound)


def search(task: Task, budget: Budget) -> SearchResult:
    """The cheapest plan of a task as far as the budget goes."""
    result = SearchResult()
    try:
        ties = Ties(task)
        result.plan = first_plan(task, ties.weights, budget, evaluations=_LOOKAHEAD)
        budget.stage_done("first plan")
        settled = _bound(task, ties, result)
        budget.stage_done("lower bound")
        if not settled and not result.unreachable:
            if result.plan is not None:
                result.plan = without_waste(task, result.plan, ties.weights)
            _parts(task, budget, result)
    except Stopped as stopped:
        result.stopped_by = stopped.reason
    return result


class Ties:
    """Costs that also tell equally cheap plans apart: fewer actions, then more needs.

    Attributes:
        weights: For each operator.
        unit: What one unit of cost weighs; more than all else together.
    """

    def __init__(self, task: Task) -> None:
        needs = [len(action.needs) for action in task.actions]
        per_action = 1 + _LONGEST * max(needs, default=0)
        self.unit = per_action * _LONGEST
        self.weights = [
            cost * self.unit + per_action - count
            for cost, count in zip(task.cost, needs, strict=True)
        ]

    def of(self, plan: list[int]) -> int:
        """What a plan weighs."""
        weights = self.weights
        return sum([weights[op] for op in plan])


def _bound(task: Task, ties: Ties, result: SearchResult) -> bool:
    """Bound the cost from below; whether that proves the plan in hand, ties included."""
    if len(task.actions) > _SMALL:  # with ties it takes several times as long
        plain = LmCut(task, task.cost).evaluate(task.start, unary_landmarks(task, task.cost))
        result.unreachable = plain is None
        result.bound = max(result.bound, plain[0] if plain else 0)
        if not result.proved(task):
            return False
    root = LmCut(task, ties.weights).evaluate(task.start, unary_landmarks(task, ties.weights))
    result.unreachable = root is None
    result.bound = max(result.bound, root[0] // ties.unit if root else 0)
    return root is not None and result.plan is not None and ties.of(result.plan) <= root[0]


def _parts(task: Task, budget: Budget, result: SearchResult) -> None:
    """Search the independent parts one by one; the answer is their sum."""
    groups = components(task)
    if len(groups) == 1:
        _prove(task, budget, result)
        return
    plans: list[list[int] | None] = []
    bound = 0
    for number, ops in enumerate(groups):
        part = restricted(task, ops, task.goal & touched_by(task, ops))
        local = SearchResult()
        if result.plan is not None:
            place = {op: i for i, op in enumerate(ops)}
            local.plan = [place[op] for op in result.plan if op in place]
        if not _bound(part, Ties(part), local):
            with budget.part(1 / (len(groups) - number)):
                _prove(part, budget, local)
        if local.unreachable:
            result.unreachable, result.plan = True, None
            return
        result.stopped_by = result.stopped_by or local.stopped_by
        plans.append(None if local.plan is None else [ops[i] for i in local.plan])
        bound += local.bound
    result.bound = max(result.bound, bound)
    if all(plan is not None for plan in plans):
        result.plan = [op for plan in plans if plan is not None for op in plan]


def _prove(task: Task, budget: Budget, result: SearchResult) -> None:
    """Find the cheapest plan by A*, or at least a cheaper one."""
    ties = Ties(task)
    small = len(task.actions) <= _SMALL
    try:
        if small and _settle_ties(task, ties, budget, result):
            return
        if not result.proved(task):
            _improve(task, ties, budget, result, share=0.05, patience=_QUICK_PATIENCE)
            _search_below(task, budget, result)
        if not small and result.plan:
            _settle_ties(task, ties, budget, result)
    except Stopped as stopped:
        if result.proved(task):  # only the ties are open
            return
        result.stopped_by = stopped.reason
    if result.stopped_by in {"time", "memory"}:  # the share of A* is over, the time is not
        _improve(task, ties, budget, result, share=1.0, patience=_PATIENCE)


def _settle_ties(task: Task, ties: Ties, budget: Budget, result: SearchResult) -> bool:
    """A short search for the best plan, ties included; whether it came to an end.

    Where very many plans are equally good it does not, and the one found first stays.
    """
    heuristic = LmCut(task, ties.weights)
    space = StateSpace(task, ties.weights, heuristic, budget, StubbornSets(task))
    below = None if result.plan is None else ties.of(result.plan)
    try:
        with budget.at_most(_TRIAL_EXPANSIONS):
            better = space.cheapest(below, unary_landmarks(task, ties.weights))
    except Stopped:
        result.bound = max(result.bound, space.bound // ties.unit)
        if budget.used_up():
            raise
        return False
    finally:
        budget.stage_done("short search")
    _accept(task, result, better)
    return True


def _search_below(task: Task, budget: Budget, result: SearchResult) -> None:
    """A* for a plan cheaper than the one in hand."""
    if result.proved(task):
        return
    space = StateSpace(task, list(task.cost), LmCut(task, task.cost), budget, StubbornSets(task))
    below = None if result.plan is None else task.price(result.plan)
    try:
        with budget.part(1.0 if result.plan is None else _SHARE_OF_PROOF):
            better = space.cheapest(below, unary_landmarks(task, task.cost))
    finally:
        result.bound = max(result.bound, space.bound)
        budget.stage_done("search")
    _accept(task, result, better)


def _accept(task: Task, result: SearchResult, better: list[int] | None) -> None:
    """A search came to its end: what it found, or else the plan in hand, is the cheapest."""
    if better is not None:
        result.plan = better
    if result.plan is None:
        result.unreachable = True
    else:
        result.bound = task.price(result.plan)


def _improve(
    task: Task, ties: Ties, budget: Budget, result: SearchResult, *, share: float, patience: int
) -> None:
    if result.plan is None:
        return
    try:
        with budget.part(share):
            better = improvements(task, result.plan, ties.weights, budget, patience=patience)
            for result.plan in better:
                if result.proved(task):
                    break
    except Stopped as stopped:
        if stopped.reason == "cancelled":
            raise
    finally:
        budget.stage_done("improvement")


def unary_landmarks(task: Task, costs: Sequence[int]) -> tuple[Landmark, ...]:
    """The actions every plan contains, as landmarks to start LM-cut from."""
    always = action_landmarks(task, task.start) or []
    return tuple([(costs[op], (op,)) for op in always if costs[op]])
