"""Actions that every plan contains, found in one sweep.

Every atom inherits what all its suppliers have in common, every operator the union of what its
needs inherited (Zhu and Givan, 2003; Keyder, Richter and Helmert, 2010). Their costs add up to
a lower bound that is exact on chains and on independent goals.
"""

from collections import deque

from agents.planning.task import Task, bits

__all__ = ["action_landmarks"]


def action_landmarks(task: Task, state: int) -> list[int] | None:
    """The operators without which the goal cannot be reached from a state.

    Returns:
        Their numbers in ascending order, or `None` if the goal cannot be reached at all.
    """
    lists = task.lists
    common: list[int | None] = [None] * lists.atoms
    waiting = lists.pre_count[:]
    queue: deque[int] = deque()
    queued = bytearray(len(waiting))
    for atom in lists.true_in(state):
        common[atom] = 0
        _wake(lists.needed_by[atom], waiting, queue, queued, first=True)
    while queue:
        op = queue.popleft()
        queued[op] = 0
        inherited = 1 << op
        for atom in lists.pre[op]:
            inherited |= common[atom] or 0
        for atom in lists.adds[op]:
            old = common[atom]
            new = inherited if old is None else old & inherited
            if new != old:
                common[atom] = new
                _wake(lists.needed_by[atom], waiting, queue, queued, first=old is None)
    always = 0
    for atom in lists.goals:
        shared = common[atom]
        if shared is None:
            return None
        always |= shared
    return bits(always)


def _wake(
    ops: list[int], waiting: list[int], queue: deque[int], queued: bytearray, *, first: bool
) -> None:
    """Look again at operators one of whose needs changed, or is reached for the first time."""
    for op in ops:
        if first:
            waiting[op] -= 1
        if not waiting[op] and not queued[op]:
            queued[op] = 1
            queue.append(op)
