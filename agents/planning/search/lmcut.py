"""LM-cut: an admissible estimate from disjoint sets of actions, one of which each plan needs.

Helmert and Domshlak, "Landmarks, Critical Paths and Abstractions" (2009). The landmarks of a
state stay landmarks of its child unless they contain the action in between, so a child starts
from what its parent found (Pommerening and Helmert, "Incremental LM-Cut", 2013).
"""

from collections.abc import Sequence
from heapq import heappop, heappush

from agents.planning.task import Lists, Task

__all__ = ["Landmark", "LmCut"]

Landmark = tuple[int, tuple[int, ...]]
"""An amount of cost and the operators, one of which every plan uses at that cost or more."""

_INFINITE = 1 << 200


class LmCut:
    """The heuristic for one task and one cost of each operator."""

    def __init__(self, task: Task, costs: Sequence[int]) -> None:
        self.lists = task.lists
        self.costs = list(costs)

    def evaluate(
        self, state: int, inherited: tuple[Landmark, ...] = ()
    ) -> tuple[int, tuple[Landmark, ...]] | None:
        """The estimate for a state and the landmarks that prove it.

        Args:
            state: The state.
            inherited: Landmarks known to hold in it whose amounts fit into the costs.

        Returns:
            `None` if the goal cannot be reached.
        """
        costs = self.costs[:]
        total = 0
        for amount, ops in inherited:
            total += amount
            for op in ops:
                costs[op] -= amount
        labels = _Labels(self.lists, costs, state)
        landmarks = list(inherited)
        goals = self.lists.goals
        value = labels.value
        while True:
            top, target = 0, -1
            for atom in goals:
                if value[atom] > top:
                    top, target = value[atom], atom
            if top == 0:
                return total, tuple(landmarks)
            if top == _INFINITE:
                return None
            cut = labels.cut(target, top)
            amount = min([costs[op] for op in cut])
            total += amount
            landmarks.append((amount, tuple(cut)))
            for op in cut:
                costs[op] -= amount
            labels.cheaper(cut)


class _Labels:
    """The h_max value of each atom and the costliest need of each operator, kept up to date."""

    def __init__(self, lists: Lists, costs: list[int], state: int) -> None:
        self.pre = lists.pre
        self.adds = lists.adds
        self.needed_by = lists.needed_by
        self.added_by = lists.added_by
        self.costs = costs
        self.value = [_INFINITE] * lists.atoms
        self.supporter = [-1] * len(costs)
        self._explore(lists, state)

    def _explore(self, lists: Lists, state: int) -> None:
        value, supporter, costs = self.value, self.supporter, self.costs
        adds, needed_by = self.adds, self.needed_by
        waiting = lists.pre_count[:]
        # Few distinct values occur, so atoms wait in one list per value.
        layers: dict[int, list[int]] = {0: lists.true_in(state)}
        values = [0]
        for atom in layers[0]:
            value[atom] = 0
        while values:
            now = heappop(values)
            for atom in layers[now]:  # grows while it is walked where operators cost nothing
                if value[atom] != now:
                    continue
                for op in needed_by[atom]:
                    waiting[op] -= 1
                    if waiting[op]:
                        continue
                    supporter[op] = atom
                    reached = now + costs[op]
                    for other in adds[op]:
                        if reached < value[other]:
                            value[other] = reached
                            if reached in layers:
                                layers[reached].append(other)
                            else:
                                layers[reached] = [other]
                                heappush(values, reached)
            del layers[now]

    def cut(self, target: int, top: int) -> list[int]:
        """A set of operators, one of which every relaxed plan uses; all cost more than 0.

        Args:
            target: The goal atom with the highest value.
            top: Its value.
        """
        value, supporter, costs = self.value, self.supporter, self.costs
        zone = {target}
        stack = [target]
        entering: dict[int, None] = {}
        while stack:
            for op in self.added_by[stack.pop()]:
                need = supporter[op]
                if need < 0:
                    continue
                if costs[op]:
                    entering[op] = None
                elif need not in zone:
                    zone.add(need)
                    stack.append(need)
        # An atom below `top` is reached through atoms below `top`, and the zone has none.
        outside: dict[int, bool] = {}
        cut = []
        for op in entering:
            need = supporter[op]
            if value[need] < top or (need not in zone and self._outside(need, zone, top, outside)):
                cut.append(op)
        return cut

    def _outside(self, atom: int, zone: set[int], top: int, outside: dict[int, bool]) -> bool:
        """Whether an atom can be reached without passing through the zone."""
        if atom in outside:
            return outside[atom]
        value, supporter = self.value, self.supporter
        seen = {atom}
        stack = [atom]
        answer = False
        while stack and not answer:
            for op in self.added_by[stack.pop()]:
                need = supporter[op]
                if need < 0 or need in zone or need in seen:
                    continue
                if value[need] < top or outside.get(need, False):
                    answer = True
                    break
                seen.add(need)
                stack.append(need)
        if answer:
            outside[atom] = True
        else:
            outside.update(dict.fromkeys(seen, False))
        return answer

    def cheaper(self, changed: list[int]) -> None:
        """Bring the values up to date after these operators became cheaper."""
        value, supporter, costs = self.value, self.supporter, self.costs
        adds, pre = self.adds, self.pre
        queue: list[tuple[int, int]] = []
        for op in changed:
            reached = value[supporter[op]] + costs[op]
            for atom in adds[op]:
                if reached < value[atom]:
                    value[atom] = reached
                    heappush(queue, (reached, atom))
        while queue:
            now, atom = heappop(queue)
            if value[atom] < now:
                continue
            for op in self.needed_by[atom]:
                if supporter[op] != atom:
                    continue
                need, most = atom, now
                for other in pre[op]:
                    if value[other] > most:
                        need, most = other, value[other]
                supporter[op] = need
                reached = most + costs[op]
                for other in adds[op]:
                    if reached < value[other]:
                        value[other] = reached
                        heappush(queue, (reached, other))
