"""Strong stubborn sets: of independent actions only one order is looked at.

Alkhazraji, Wehrle, Mattmüller and Helmert, "A Stubborn Set Algorithm for Optimal Planning"
(2012). A set of operators is stubborn in a state if it contains a disjunctive landmark, for each
operator in it that does not apply the suppliers of one of its missing needs, and for each that
applies all operators that interfere with it. Expanding only the applicable operators of the
set keeps an optimal plan in the graph.
"""

from functools import cached_property

from agents.planning.search.lmcut import Landmark
from agents.planning.task import Task
from agents.planning.values import compatible

__all__ = ["Entry", "StubbornSets"]

Entry = tuple[int, int, int, int, int]
"""An operator as the search holds it: number, pre, add, delete, cost."""

_TRIAL = 200
_WORTH_IT = 0.9


class StubbornSets:
    """Prunes applicable operators; gives up by itself where that does not pay.

    Attributes:
        pruned: How many operators were left out so far.
    """

    def __init__(self, task: Task, *, enabled: bool = True) -> None:
        self.task = task
        self.enabled = enabled
        self.pruned = 0
        self._calls = 0
        self._seen = 0
        self._interfering: dict[int, int] = {}

    @cached_property
    def _needing(self) -> dict[int, int]:
        return _operators_with(self.task.pre)

    @cached_property
    def _adding(self) -> dict[int, int]:
        return _operators_with(self.task.add)

    @cached_property
    def _deleting(self) -> dict[int, int]:
        return _operators_with(self.task.delete)

    @cached_property
    def _values(self) -> dict[str, list[tuple[object, int]]]:
        """For each fact the values that are atoms, with their bits."""
        by_fact: dict[str, list[tuple[object, int]]] = {}
        for number, (fact, value) in enumerate(self.task.atoms):
            by_fact.setdefault(fact, []).append((value, 1 << number))
        return by_fact

    def prune(
        self, state: int, applicable: list[Entry], landmarks: tuple[Landmark, ...]
    ) -> list[Entry]:
        """The applicable operators that have to be looked at.

        Args:
            state: The state they apply in.
            applicable: All of them.
            landmarks: Of each of these sets every plan from the state uses an operator.
        """
        if not self.enabled or len(applicable) < 2 or not landmarks:
            return applicable
        self._calls += 1
        self._seen += len(applicable)
        chosen = self._close(state, applicable, landmarks)
        kept = [entry for entry in applicable if chosen >> entry[0] & 1]
        self.pruned += len(applicable) - len(kept)
        if self._calls == _TRIAL and self.pruned < (1 - _WORTH_IT) * self._seen:
            self.enabled = False
        return kept

    def _close(self, state: int, applicable: list[Entry], landmarks: tuple[Landmark, ...]) -> int:
        can = sum([1 << entry[0] for entry in applicable])
        seed = min(landmarks, key=lambda mark: len(mark[1]))[1]
        chosen = done = sum([1 << op for op in seed])
        todo = list(seed)
        while todo:
            op = todo.pop()
            if can >> op & 1:
                wanted = self._interfering.get(op)
                if wanted is None:
                    wanted = self._interfering[op] = self._interference(op)
            else:
                wanted = self._enabling(self.task.pre[op] & ~state, chosen)
            new = wanted & ~done
            chosen |= new
            if not can & ~chosen:
                return chosen
            done |= new
            while new:
                low = new & -new
                todo.append(low.bit_length() - 1)
                new ^= low
        return chosen

    def _enabling(self, missing: int, chosen: int) -> int:
        """The suppliers of one missing need; the need that adds fewest operators."""
        best, fewest = 0, -1
        while missing:
            low = missing & -missing
            missing ^= low
            suppliers = self._adding.get(low, 0)
            count = (suppliers & ~chosen).bit_count()
            if fewest < 0 or count < fewest:
                best, fewest = suppliers, count
                if not count:
                    break
        return best

    def _interference(self, op: int) -> int:
        task = self.task
        others = 0
        for mask, tables in (
            (task.pre[op], (self._deleting,)),
            (task.delete[op], (self._needing, self._adding)),
            (task.add[op], (self._deleting,)),
        ):
            rest = mask
            while rest:
                low = rest & -rest
                rest ^= low
                for table in tables:
                    others |= table.get(low, 0)
        return others & ~self._never_together(op) & ~(1 << op)

    def _never_together(self, op: int) -> int:
        """Operators that need another value of a fact that this one needs."""
        others = 0
        for mine in _lows(self.task.pre[op]):
            fact, value = self.task.atoms[mine.bit_length() - 1]
            for wanted, other in self._values[fact]:
                if other != mine and not compatible(value, wanted):
                    others |= self._needing.get(other, 0)
        return others


def _operators_with(masks: tuple[int, ...]) -> dict[int, int]:
    """For each atom, as a bit, the operators whose mask contains it, as a mask."""
    table: dict[int, int] = {}
    for op, mask in enumerate(masks):
        for low in _lows(mask):
            table[low] = table.get(low, 0) | 1 << op
    return table


def _lows(mask: int) -> list[int]:
    singles = []
    while mask:
        low = mask & -mask
        singles.append(low)
        mask ^= low
    return singles
