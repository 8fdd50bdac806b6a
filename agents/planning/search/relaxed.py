"""The problem without deletes: how far away everything is, and a plan for it.

`h_add` (Bonet and Geffner, 2001) picks the cheapest supporter of every atom; following the
supporters back from the goal gives a relaxed plan, as in FF (Hoffmann and Nebel, 2001).
"""

from collections.abc import Sequence
from heapq import heappop, heappush

from agents.planning.task import Lists, Task

__all__ = ["best_supporters", "relaxed_plan"]


def relaxed_plan(task: Task, state: int, costs: Sequence[int]) -> tuple[int, list[int]] | None:
    """The cost of a relaxed plan and its operators in an order that works without deletes.

    Args:
        task: The problem.
        state: Where it starts.
        costs: The cost of each operator.

    Returns:
        `None` if the goal cannot be reached even without deletes.
    """
    supported = _supporters(task.lists, state, costs)
    if supported is None:
        return None
    supporter, fired = supported
    needed: dict[int, None] = {}
    stack = [atom for atom in task.lists.goals if supporter[atom] >= 0]
    seen = set(stack)
    while stack:
        op = supporter[stack.pop()]
        needed[op] = None
        for atom in task.lists.pre[op]:
            if supporter[atom] >= 0 and atom not in seen:
                seen.add(atom)
                stack.append(atom)
    order = sorted(needed, key=fired.__getitem__)
    return sum([costs[op] for op in order]), order


def best_supporters(task: Task, state: int, costs: Sequence[int]) -> list[int]:
    """For each atom the operator through which it is cheapest; -1 if it is true or out of reach."""
    supported = _supporters(task.lists, state, costs, everything=True)
    return [-1] * task.lists.atoms if supported is None else supported[0]


def _supporters(
    lists: Lists, state: int, costs: Sequence[int], *, everything: bool = False
) -> tuple[list[int], list[int]] | None:
    """The cheapest supporter of each atom and the turn of each operator.

    An atom that is true already or out of reach has the supporter -1. `None` if a goal is
    out of reach. Unless `everything` is asked for, it ends when the last goal is reached.
    """
    infinite = 1 << 200
    value = [infinite] * lists.atoms
    supporter = [-1] * lists.atoms
    fired = [0] * len(costs)
    paid = list(costs)
    waiting = lists.pre_count[:]
    queue = [(0, atom) for atom in lists.true_in(state)]
    for _, atom in queue:
        value[atom] = 0
    turn = 0
    adds, needed_by = lists.adds, lists.needed_by
    goals = set(lists.goals)
    open_goals = len(goals)
    while queue and (open_goals or everything):
        reached, atom = heappop(queue)
        if reached > value[atom]:
            continue
        open_goals -= atom in goals
        for op in needed_by[atom]:
            paid[op] += reached
            waiting[op] -= 1
            if waiting[op]:
                continue
            turn += 1
            fired[op] = turn
            total = paid[op]
            for other in adds[op]:
                if total < value[other]:
                    value[other] = total
                    supporter[other] = op
                    heappush(queue, (total, other))
    return None if open_goals else (supporter, fired)
