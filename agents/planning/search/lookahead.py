"""A first plan in milliseconds: follow relaxed plans as far as they carry.

Greedy best-first search in which a state is followed by the state its whole relaxed plan leads
to (Vidal, "A Lookahead Strategy for Heuristic Search Planning", 2004). What the plan turns out
not to need is taken out afterwards.
"""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from agents.planning.limits import Budget
from agents.planning.search.relaxed import relaxed_plan
from agents.planning.task import Task

__all__ = ["first_plan", "follow", "serving", "without_waste"]


def first_plan(
    task: Task, costs: Sequence[int], budget: Budget, *, evaluations: int
) -> list[int] | None:
    """A plan, not necessarily a cheap one, or `None` if none was found in time.

    Args:
        task: The problem.
        costs: What each operator costs here.
        budget: Checked before every evaluation.
        evaluations: After so many relaxed plans the search gives up.

    Raises:
        Stopped: At a limit of the budget.
    """
    if not task.goal & ~task.start:
        return []
    parents: dict[int, tuple[int, tuple[int, ...]] | None] = {task.start: None}
    queue: list[tuple[int, int, int]] = [(0, 0, task.start)]
    count = 0
    while queue and evaluations > 0:
        _, _, state = heappop(queue)
        relaxed = relaxed_plan(task, state, costs)
        evaluations -= 1
        budget.check()
        if relaxed is None:
            continue
        for child, taken, estimate, sign in _children(task, state, relaxed, costs):
            if child in parents:
                continue
            parents[child] = (state, taken)
            if not task.goal & ~child:
                return _path(parents, child)
            count += 1
            heappush(queue, (estimate, sign * count, child))
    return None


def _children(
    task: Task, state: int, relaxed: tuple[int, list[int]], costs: Sequence[int]
) -> Iterator[tuple[int, tuple[int, ...], int, int]]:
    """Where to go on from a state: child, operators that lead to it, estimate, sign of its turn.

    First comes the end of the relaxed plan, the newest of which is tried first.
    """
    estimate, order = relaxed
    end, taken = follow(task, state, order)
    yield end, tuple(taken), estimate - sum([costs[op] for op in taken]), -1
    for op in _applicable(task, state):
        child = state & ~task.delete[op] | task.add[op]
        if child & ~state:
            yield child, (op,), estimate if op in order else estimate + costs[op], 1


def follow(task: Task, state: int, order: list[int]) -> tuple[int, list[int]]:
    """Apply what applies, in turns, until nothing of the relaxed plan does any more."""
    taken: list[int] = []
    rest = order
    while rest:
        left = []
        for op in rest:
            if task.pre[op] & ~state:
                left.append(op)
            else:
                after = state & ~task.delete[op] | task.add[op]
                if after & ~state:
                    taken.append(op)
                    state = after
        if len(left) == len(rest):
            break
        rest = left
    return state, taken


def _applicable(task: Task, state: int) -> list[int]:
    return [op for op, pre in enumerate(task.pre) if not pre & ~state]


def _path(parents: dict[int, tuple[int, tuple[int, ...]] | None], state: int) -> list[int]:
    parts: list[tuple[int, ...]] = []
    step = parents[state]
    while step is not None:
        parts.append(step[1])
        step = parents[step[0]]
    return [op for part in reversed(parts) for op in part]


def without_waste(task: Task, plan: list[int], costs: Sequence[int]) -> list[int]:
    """The plan without actions it can do without, the costliest first.

    Taking one action out can make others useless; they go with it (Nakhost and Müller,
    "Action Elimination and Plan Neighborhood Graph Search", 2010).
    """
    plan = serving(task, plan)
    for op in sorted(set(plan), key=lambda op: (-costs[op], op)):
        position = len(plan)
        while op in plan[:position]:
            position = position - 1 - plan[:position][::-1].index(op)
            shorter = _drop(task, plan, position)
            if shorter is not None:
                plan = serving(task, shorter)
                position = min(position, len(plan))
    return plan


def serving(task: Task, plan: list[int]) -> list[int]:
    """Only the actions that add something the rest or the goal still needs."""
    needed = task.goal
    kept = []
    for op in reversed(plan):
        if task.add[op] & needed:
            needed = needed & ~task.add[op] | task.pre[op]
            kept.append(op)
    kept.reverse()
    return kept


def _drop(task: Task, plan: list[int], position: int) -> list[int] | None:
    """The plan without one action and without those that then no longer apply, if it works."""
    pre, add, delete = task.pre, task.add, task.delete
    kept = plan[:position]
    state = task.run(kept) or 0
    for op in plan[position + 1 :]:
        if pre[op] & ~state:
            continue
        state = state & ~delete[op] | add[op]
        kept.append(op)
    return None if task.goal & ~state else kept
