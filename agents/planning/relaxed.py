"""The problem without deletes: how far away everything is, and a plan for it.

`h_add` (Bonet and Geffner, 2001) picks the cheapest supporter of every atom; following the
supporters back from the goal gives a relaxed plan, as in FF (Hoffmann and Nebel, 2001).
"""

from heapq import heappop, heappush

from agents.planning.compile import Task, bits

__all__ = ["Relaxed"]


class Relaxed:
    """Adjacency lists of one task, shared by all heuristics.

    There is one atom more than the task has: it is always true, and operators that need nothing
    need it. So every operator has a need.

    Attributes:
        atoms: How many atoms there are, with the additional one.
        pre: The atoms each operator needs.
        adds: The atoms each operator newly makes true.
        needed_by: For each atom, the operators that need it.
        added_by: For each atom, the operators that add it.
        pre_count: How many atoms each operator needs.
        goals: The atoms of the goal.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.true = len(task.atoms)
        self.atoms = self.true + 1
        self.pre = [bits(mask) or [self.true] for mask in task.pre]
        self.adds = [bits(add & ~pre) for add, pre in zip(task.add, task.pre, strict=True)]
        self.needed_by: list[list[int]] = [[] for _ in range(self.atoms)]
        self.added_by: list[list[int]] = [[] for _ in range(self.atoms)]
        for op, (needs, adds) in enumerate(zip(self.pre, self.adds, strict=True)):
            for atom in needs:
                self.needed_by[atom].append(op)
            for atom in adds:
                self.added_by[atom].append(op)
        self.pre_count = [len(needs) for needs in self.pre]
        self.goals = bits(task.goal)

    def true_in(self, state: int) -> list[int]:
        """The atoms that hold in a state."""
        found = bits(state)
        found.append(self.true)
        return found

    def plan(self, state: int, costs: list[int]) -> tuple[int, list[int]] | None:
        """The cost of a relaxed plan and its operators in an order that works without deletes.

        Args:
            state: Where it starts.
            costs: The cost of each operator.

        Returns:
            `None` if the goal cannot be reached even without deletes.
        """
        found = self._supporters(state, costs)
        if found is None:
            return None
        supporter, fired = found
        needed: dict[int, None] = {}
        stack = [atom for atom in self.goals if supporter[atom] >= 0]
        seen = set(stack)
        while stack:
            op = supporter[stack.pop()]
            needed[op] = None
            for atom in self.pre[op]:
                if supporter[atom] >= 0 and atom not in seen:
                    seen.add(atom)
                    stack.append(atom)
        order = sorted(needed, key=fired.__getitem__)
        return sum([costs[op] for op in order]), order

    def _supporters(self, state: int, costs: list[int]) -> tuple[list[int], list[int]] | None:
        """The cheapest supporter of each atom and the turn of each operator.

        An atom that is true already or out of reach has the supporter -1. `None` if a goal is
        out of reach.
        """
        infinite = 1 << 200
        value = [infinite] * self.atoms
        supporter = [-1] * self.atoms
        fired = [0] * len(costs)
        paid = list(costs)
        waiting = self.pre_count[:]
        queue = [(0, atom) for atom in self.true_in(state)]
        for _, atom in queue:
            value[atom] = 0
        turn = 0
        adds, needed_by = self.adds, self.needed_by
        goal, open_goals = self.task.goal, len(self.goals)
        while queue and open_goals:
            reached, atom = heappop(queue)
            if reached > value[atom]:
                continue
            open_goals -= goal >> atom & 1
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
