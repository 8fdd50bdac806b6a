"""Goals that share nothing are planned apart: the search adds up instead of multiplying."""

from collections.abc import Iterable
from dataclasses import replace

from agents.planning.task import Task, bits

__all__ = ["components", "restricted", "touched_by"]


def components(task: Task) -> list[list[int]]:
    """The operators in groups no two of which touch a common atom; groups without goal left out.

    Both the groups and the operators in them keep the declaration order.
    """
    parent = list(range(len(task.atoms) + 1))

    def root(atom: int) -> int:
        while parent[atom] != atom:
            parent[atom] = parent[parent[atom]]
            atom = parent[atom]
        return atom

    lists = task.lists
    first: list[int] = []
    for op, deleted in enumerate(task.delete):
        touched = [a for a in (*lists.pre[op], *lists.adds[op]) if a != lists.true]
        touched += bits(deleted)
        first.append(touched[0] if touched else lists.true)
        for other in touched[1:]:
            parent[root(other)] = root(touched[0])
    wanted = {root(atom) for atom in lists.goals}
    groups: dict[int, list[int]] = {}
    for op, atom in enumerate(first):
        if root(atom) in wanted:
            groups.setdefault(root(atom), []).append(op)
    return list(groups.values())


def restricted(task: Task, operators: Iterable[int], goal: int | None = None) -> Task:
    """The task with only some operators, and possibly another goal; atoms keep their numbers."""
    kept = list(operators)
    return replace(
        task,
        goal=task.goal if goal is None else goal,
        actions=tuple([task.actions[op] for op in kept]),
        pre=tuple([task.pre[op] for op in kept]),
        add=tuple([task.add[op] for op in kept]),
        delete=tuple([task.delete[op] for op in kept]),
        cost=tuple([task.cost[op] for op in kept]),
    )


def touched_by(task: Task, operators: Iterable[int]) -> int:
    """All atoms that some operators need or change."""
    mask = 0
    for op in operators:
        mask |= task.pre[op] | task.add[op] | task.delete[op]
    return mask
