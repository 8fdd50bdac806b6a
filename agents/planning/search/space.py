"""The state space as a lazily expanding graph, so that `networkx.astar_path` searches it.

A state appears as two nodes: first with a promise, a bound taken over from its parent for free;
then, if that node is ever expanded, with the estimate worked out. Most states never are.

Three properties of `astar_path` shape this file: it breaks ties first-in-first-out and would
expand whole plateaus, so estimates are inflated by less than half a unit of cost; it expands
dead ends unless a cutoff is given; and it knows one target, so goal states lead to a virtual one.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import networkx as nx

from agents.planning.limits import Budget
from agents.planning.search.lmcut import Landmark, LmCut
from agents.planning.search.stubborn import StubbornSets
from agents.planning.task import Task

__all__ = ["StateSpace"]

_GOAL = -1
_DEAD = 1 << 300


def lost_with(landmarks: tuple[Landmark, ...]) -> dict[int, int]:
    """How much of an estimate each operator uses up."""
    lost: dict[int, int] = {}
    for amount, ops in landmarks:
        for op in ops:
            lost[op] = lost.get(op, 0) + amount
    return lost


class _Successors(Mapping[int, dict[int, int]]):
    """The adjacency of the graph: computed where `astar_path` looks."""

    def __init__(self, space: "StateSpace") -> None:
        self.space = space

    def __getitem__(self, node: int) -> dict[int, int]:
        return self.space.successors(node)

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


class StateSpace(nx.DiGraph):  # type: ignore[misc]  # networkx is not typed
    """States reachable from the start of a task.

    Args:
        task: The problem.
        costs: What each operator costs, whole numbers.
        heuristic: An admissible estimate for these costs.
        budget: What the search may use.
        pruning: Drops operators whose order does not matter.

    Attributes:
        bound: No plan is cheaper than this; grows while the search runs.
    """

    def __init__(
        self,
        task: Task,
        costs: list[int],
        heuristic: LmCut,
        budget: Budget,
        pruning: StubbornSets,
    ) -> None:
        super().__init__()
        self._adj = _Successors(self)
        self.task = task
        self.costs = costs
        self.heuristic = heuristic
        self.budget = budget
        self.pruning = pruning
        self.bound = 0
        self.distance = {task.start: 0}
        self._promise: dict[int, int] = {}
        self._origin: dict[int, tuple[int, int]] = {}
        self._estimate: dict[int, tuple[int, tuple[Landmark, ...]]] = {}
        self._operators = list(
            zip(range(len(costs)), task.pre, task.add, task.delete, costs, strict=True)
        )
        self._unit = 1
        self._inflation = 0
        self._state_bits = -1  # all bits of a node describe the state

    def __contains__(self, node: object) -> bool:
        return True

    def cheapest(self, below: int | None, seeds: tuple[Landmark, ...] = ()) -> list[int] | None:
        """The cheapest sequence of operators that reaches the goal.

        Args:
            below: Only plans cheaper than this are of interest; `None` for any plan.
            seeds: Landmarks known to hold at the start.

        Returns:
            `None` if there is no such plan.

        Raises:
            Stopped: At a limit; `bound` is then what was proved so far.
        """
        root = self._evaluate(self.task.start, seeds)
        if root is None:
            return None
        worst = sum(self.costs) + root[0] if below is None else below
        self._unit = 4 * worst + 4
        self._inflation = 2 * worst + 1
        cutoff = _DEAD - 1 if below is None else (below - 1) * self._unit + self._inflation
        if below is not None and root[0] >= below:
            self.bound = below
            return None
        try:
            path = nx.astar_path(
                self,
                self.task.start << 1 | 1,
                _GOAL,
                heuristic=self._estimated,
                weight=lambda _from, _to, cost: cost,
                cutoff=cutoff,
            )
        except nx.NetworkXNoPath:
            return None
        return self._operators_of([node >> 1 for node in path[:-1] if node & 1])

    def successors(self, node: int) -> dict[int, int]:
        """The neighbours of a node with the cost of getting there, in units of the search."""
        if not node & 1:
            return {node | 1: 0}
        key = node >> 1
        state = key & self._state_bits
        estimate, landmarks = self._estimate[state]
        reached = self.distance[key]
        self.bound = max(self.bound, reached + estimate)
        if not self.task.goal & ~state:
            return {_GOAL: 0}
        self.budget.expand()
        return self._children(key, estimate, landmarks)

    def _children(
        self, state: int, estimate: int, landmarks: tuple[Landmark, ...]
    ) -> dict[int, int]:
        lost = lost_with(landmarks)
        reached = self.distance[state]
        distance, unit = self.distance, self._unit
        applicable = [entry for entry in self._operators if not entry[1] & ~state]
        neighbours: dict[int, int] = {}
        for op, _, add, delete, cost in self.pruning.prune(state, applicable, landmarks):
            child = state & ~delete | add
            if not child & ~state:  # nothing gained, and what is cleared never helps
                continue
            self.budget.generated += 1
            if reached + cost < distance.get(child, _DEAD):
                distance[child] = reached + cost
            node = child << 1
            if neighbours.get(node, _DEAD) > cost * unit:
                neighbours[node] = cost * unit
            self._promised(child, estimate - lost.get(op, 0), state, op)
        return neighbours

    def _promised(self, child: int, promised: int, parent: int, op: int) -> None:
        """Remember what is known of a state before it is evaluated, and from where."""
        if child not in self._estimate and self._promise.get(child, -1) < promised:
            self._promise[child] = promised
            self._origin[child] = (parent, op)

    def _estimated(self, node: int, _target: int) -> int:
        """What `astar_path` adds to the cost so far."""
        if node < 0:
            return 0
        state = node >> 1 & self._state_bits
        if node & 1:
            evaluated = self._evaluate(state, self._inherited(state))
            if evaluated is None:
                return _DEAD
            estimate = evaluated[0]
        elif state in self._promise:
            estimate = self._promise[state]
        else:
            estimate = self._estimate[state][0]
        return estimate * self._unit + min(estimate, self._inflation - 1)

    def _inherited(self, state: int) -> tuple[Landmark, ...]:
        origin = self._origin.pop(state, None)
        if origin is None:
            return ()
        parent, op = origin
        return tuple([mark for mark in self._estimate[parent][1] if op not in mark[1]])

    def _evaluate(
        self, state: int, inherited: tuple[Landmark, ...]
    ) -> tuple[int, tuple[Landmark, ...]] | None:
        remembered = self._estimate.get(state)
        if remembered is not None:
            return remembered
        self.budget.evaluated += 1
        evaluated = self.heuristic.evaluate(state, inherited)
        self._promise.pop(state, None)
        if evaluated is not None:
            self._estimate[state] = evaluated
            self.budget.hold(len(self._estimate))
        return evaluated

    def _operators_of(self, states: list[int]) -> list[int]:
        """Cheapest operators between neighbouring states; of equals the one that needs more."""
        path = []
        for before, after in pairwise(states):
            fitting = [
                (cost, -pre.bit_count(), op)
                for op, pre, add, delete, cost in self._operators
                if not pre & ~before and before & ~delete | add == after
            ]
            path.append(min(fitting)[2])
        return path
