"""One planning problem in bits: a state is one `int`, an action is three masks."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from agents.planning.operators import Operator
from agents.planning.values import Condition

__all__ = ["Lists", "Task", "bits"]


def bits(mask: int) -> list[int]:
    """The positions of the set bits, lowest first.

    >>> bits(0b1011)
    [0, 1, 3]
    """
    numbers = []
    while mask:
        low = mask & -mask
        numbers.append(low.bit_length() - 1)
        mask ^= low
    return numbers


@dataclass(frozen=True, eq=False)
class Task:
    """One planning problem in bits.

    Attributes:
        atoms: The condition of each bit.
        start: The state to begin with.
        goal: The bits that must hold in the end.
        actions: The declaration of each operator; operators keep the declaration order.
        pre: Bits an operator needs.
        add: Bits it sets.
        delete: Bits it clears, none of which it sets.
        cost: Its cost times `scale`, a whole number.
        scale: What costs were multiplied with to become whole numbers.
    """

    atoms: tuple[Condition, ...]
    start: int
    goal: int
    actions: tuple[Operator, ...]
    pre: tuple[int, ...]
    add: tuple[int, ...]
    delete: tuple[int, ...]
    cost: tuple[int, ...]
    scale: int

    def run(self, operators: Iterable[int], state: int | None = None) -> int | None:
        """The state after a sequence of operators, or `None` where one does not apply."""
        now = self.start if state is None else state
        for op in operators:
            if self.pre[op] & ~now:
                return None
            now = now & ~self.delete[op] | self.add[op]
        return now

    def solves(self, operators: Iterable[int]) -> bool:
        """Whether a sequence of operators leads from the start to the goal."""
        end = self.run(operators)
        return end is not None and not self.goal & ~end

    def price(self, operators: Iterable[int]) -> int:
        """The scaled cost of a sequence of operators."""
        return sum(self.cost[op] for op in operators)

    @cached_property
    def lists(self) -> "Lists":
        """The same operators as lists, for the heuristics."""
        return Lists(self)


class Lists:
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
        self.true = len(task.atoms)
        self.atoms = self.true + 1
        self.pre = [bits(mask) or [self.true] for mask in task.pre]
        self.adds = [bits(add & ~pre) for add, pre in zip(task.add, task.pre, strict=True)]
        self.needed_by: list[list[int]] = [[] for _ in range(self.atoms)]
        self.added_by: list[list[int]] = [[] for _ in range(self.atoms)]
        for op, needs in enumerate(self.pre):
            for atom in needs:
                self.needed_by[atom].append(op)
        for op, adds in enumerate(self.adds):
            for atom in adds:
                self.added_by[atom].append(op)
        self.pre_count = [len(needs) for needs in self.pre]
        self.goals = bits(task.goal)

    def true_in(self, state: int) -> list[int]:
        """The atoms that hold in a state."""
        atoms = bits(state)
        atoms.append(self.true)
        return atoms
