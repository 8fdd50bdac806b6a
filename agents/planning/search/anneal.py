"""Cheaper plans by changing who supplies what, one atom at a time.

A choice of one supplier for each atom is a relaxed plan: what the goal needs, what that needs,
and so on, every action paid once however many it serves. Changing one supplier and adding up
again takes microseconds, where estimating all distances anew takes milliseconds. Changes for
the worse are accepted ever more rarely (simulated annealing; Kirkpatrick, Gelatt and Vecchi,
1983). Choices that look cheaper than the plan in hand are handed out to be tried for real.
"""

import math
import random
from collections.abc import Iterator, Sequence

from agents.planning.search.relaxed import best_supporters
from agents.planning.task import Task

__all__ = ["Annealing"]

_ENTERED = 1
_DONE = 2


class Annealing:
    """One run of annealing over the choice of suppliers.

    Args:
        task: The problem.
        costs: What each operator costs.
        rng: Where chance comes from.
    """

    def __init__(self, task: Task, costs: Sequence[int], rng: random.Random) -> None:
        self.task = task
        self.costs = costs
        self.rng = rng
        self.choice: list[int] = []
        self._true = bytearray(task.lists.atoms)
        for atom in task.lists.true_in(task.start):
            self._true[atom] = _DONE

    def begin(self, plan: Sequence[int], costs: Sequence[int]) -> None:
        """Take the suppliers of a plan, and where it has none the cheapest under other costs."""
        discounted = list(costs)
        for op in plan:
            discounted[op] = 0
        self.choice = best_supporters(self.task, self.task.start, discounted)
        state = self.task.start
        for op in plan:
            for atom in self.task.lists.adds[op]:
                if not state >> atom & 1:
                    self.choice[atom] = op
            state |= self.task.add[op]

    def run(self, steps: int, hottest: float, coldest: float) -> Iterator[tuple[int, list[int]]]:
        """Anneal, and hand out every accepted choice with its cost and operators in order.

        Args:
            steps: How many changes to try.
            hottest: The increase in cost accepted with probability 1/e at the beginning.
            coldest: The same at the end.
        """
        current = self._closure()
        if current is None:
            return
        cost, atoms, ops = current
        cooling = (coldest / hottest) ** (1 / max(1, steps))
        heat = hottest
        added_by = self.task.lists.added_by
        for _ in range(steps):
            heat *= cooling
            atom = self.rng.choice(atoms)
            old = self.choice[atom]
            new = self.rng.choice(added_by[atom])
            if new == old:
                continue
            self.choice[atom] = new
            neighbour = self._closure()
            if neighbour is None or (
                neighbour[0] > cost and self.rng.random() >= math.exp((cost - neighbour[0]) / heat)
            ):
                self.choice[atom] = old
                continue
            cost, atoms, ops = neighbour
            yield cost, ops

    def _closure(self) -> tuple[int, list[int], list[int]] | None:
        """What the chosen suppliers cost, the atoms they supply, and the operators in order.

        `None` if the choice goes round in circles.
        """
        pre, choice = self.task.lists.pre, self.choice
        mark = self._true[:]
        order: dict[int, None] = {}
        atoms: list[int] = []
        stack = [atom for atom in self.task.lists.goals if not mark[atom]]
        while stack:
            atom = stack[-1]
            if mark[atom] == _DONE:
                stack.pop()
                continue
            op = choice[atom]
            waiting = [need for need in pre[op] if mark[need] != _DONE]
            if waiting:
                if mark[atom] == _ENTERED:
                    return None
                mark[atom] = _ENTERED
                stack += waiting
                continue
            stack.pop()
            mark[atom] = _DONE
            atoms.append(atom)
            order[op] = None
        costs = self.costs
        return sum([costs[op] for op in order]), atoms, list(order)
