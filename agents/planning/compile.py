"""Turn facts and actions into bits: a state is one `int`, an action is three masks.

Every condition that can change is an atom, a bit. Conditions on one fact exclude each other as
far as their values do, because an effect clears the bits it contradicts. A condition on
`False` has its own bit, so every precondition is positive and a fact of unknown value has none
of its bits set.

Only what matters is compiled: actions that can be reached and that can help, and conditions
that are neither always true nor out of reach.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm

from agents.planning.actions import Action
from agents.planning.catalogue import Catalogue
from agents.planning.facts import Condition, World, breaks, holds

__all__ = ["Task", "bits", "compile_task", "exact", "reach", "scaled"]


@dataclass(frozen=True, slots=True, eq=False)
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
    actions: tuple[Action, ...]
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


def bits(mask: int) -> list[int]:
    """The positions of the set bits, lowest first.

    >>> bits(0b1011)
    [0, 1, 3]
    """
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


@lru_cache(maxsize=4096)
def exact(number: float) -> Fraction:
    """A number as its shortest decimal, so that 0.1 means a tenth."""
    return Fraction(repr(number))


def scaled(numbers: Sequence[float]) -> tuple[tuple[int, ...], int]:
    """Whole numbers in the same proportions, and the factor between."""
    fractions = [exact(number) for number in numbers]
    scale = lcm(*{fraction.denominator for fraction in fractions})
    return tuple(f.numerator * (scale // f.denominator) for f in fractions), scale


def compile_task(start: World, goal: tuple[Condition, ...], catalogue: Catalogue) -> Task | None:
    """The problem in bits, or `None` if it has no plan even if no action undid anything."""
    relevant = _Relevance(start, goal, catalogue)
    reached = relevant.reachable()
    if any(condition not in reached for condition in goal):
        return None
    chosen, atoms = relevant.needed_only(goal)
    return _build(start, goal, [catalogue.actions[i] for i in chosen], atoms)


def reach(
    start: World, goal: tuple[Condition, ...], catalogue: Catalogue
) -> tuple[list[int], set[Condition]]:
    """The actions that could help, and the conditions that can be reached undoing nothing."""
    relevant = _Relevance(start, goal, catalogue)
    reached = relevant.reachable()
    return sorted(relevant.actions), reached


class _Relevance:
    """Which actions and conditions can matter, found backwards from the goal."""

    def __init__(self, start: World, goal: tuple[Condition, ...], catalogue: Catalogue) -> None:
        self.start = start
        self.catalogue = catalogue
        self.suppliers: dict[Condition, Sequence[int]] = {}
        self.actions: set[int] = set()
        self.fixed: set[Condition] = set()
        queue = deque(goal)
        while queue:
            condition = queue.popleft()
            if condition in self.suppliers:
                continue
            if self.true_at_start(condition) and not catalogue.can_break(condition):
                self.fixed.add(condition)
                self.suppliers[condition] = ()
                continue
            found = self.suppliers[condition] = catalogue.suppliers(condition)
            for position in found:
                if position not in self.actions:
                    self.actions.add(position)
                    queue.extend(catalogue.actions[position].needs)

    def true_at_start(self, condition: Condition) -> bool:
        return holds(self.start.get(condition[0], False), condition[1])

    def reachable(self) -> set[Condition]:
        """The conditions some actions can make true, in any order and undoing nothing."""
        reached = {condition for condition in self.suppliers if self.true_at_start(condition)}
        supplied: dict[int, list[Condition]] = {}
        waiting: dict[int, int] = {}
        needed_by: dict[Condition, list[int]] = {}
        for condition, positions in self.suppliers.items():
            for position in positions:
                supplied.setdefault(position, []).append(condition)
        ready: deque[int] = deque()
        for position in sorted(self.actions):
            missing = [n for n in self.catalogue.actions[position].needs if n not in reached]
            waiting[position] = len(missing)
            for condition in missing:
                needed_by.setdefault(condition, []).append(position)
            if not missing:
                ready.append(position)
        self.applicable: set[int] = set()
        while ready:
            position = ready.popleft()
            self.applicable.add(position)
            for condition in supplied.get(position, ()):
                if condition in reached:
                    continue
                reached.add(condition)
                for other in needed_by.get(condition, ()):
                    waiting[other] -= 1
                    if not waiting[other]:
                        ready.append(other)
        return reached

    def needed_only(self, goal: tuple[Condition, ...]) -> tuple[list[int], set[Condition]]:
        """Actions that are reachable and can help, with the conditions that can change.

        Removing an action may make a condition unbreakable, and that another action useless:
        repeated until nothing changes.
        """
        allowed = self.applicable
        while True:
            broken_by = _values_given(self.catalogue, allowed)
            atoms: set[Condition] = set()
            useful: set[int] = set()
            queue = deque(goal)
            while queue:
                condition = queue.popleft()
                if condition in atoms or condition in self.fixed:
                    continue
                if self.true_at_start(condition) and not any(
                    breaks(value, condition[1]) for value in broken_by.get(condition[0], ())
                ):
                    continue
                atoms.add(condition)
                for position in self.suppliers[condition]:
                    if position not in allowed or position in useful:
                        continue
                    needs = self.catalogue.actions[position].needs
                    if condition not in needs:  # else it supplies only what it consumes
                        useful.add(position)
                        queue.extend(needs)
            if len(useful) == len(allowed):
                return sorted(useful), atoms
            allowed = useful


def _values_given(catalogue: Catalogue, positions: Iterable[int]) -> dict[str, set[object]]:
    values: dict[str, set[object]] = {}
    for position in positions:
        for fact, value in catalogue.actions[position].effect:
            values.setdefault(fact, set()).add(value)
    return values


def _build(
    start: World, goal: tuple[Condition, ...], actions: list[Action], atoms: set[Condition]
) -> Task:
    """Number the atoms in order of first mention, so the caller's goal order is of no account."""
    bit: dict[Condition, int] = {}
    for action in actions:
        for condition in action.needs:
            if condition in atoms and condition not in bit:
                bit[condition] = 1 << len(bit)
        for condition in action.effect:
            if condition in atoms and condition not in bit:
                bit[condition] = 1 << len(bit)
    for condition in sorted(atoms - bit.keys(), key=repr):
        bit[condition] = 1 << len(bit)
    on_fact: dict[str, list[tuple[object, int]]] = {}
    for (fact, wanted), mask in bit.items():
        on_fact.setdefault(fact, []).append((wanted, mask))
    masks: dict[Condition, tuple[int, int]] = {}
    pre, add, delete = [], [], []
    for action in actions:
        pre.append(sum([bit[c] for c in action.needs if c in bit]))
        adds = deletes = 0
        for effect in action.effect:
            found = masks.get(effect)
            if found is None:
                found = masks[effect] = _effect_masks(effect[1], on_fact.get(effect[0], ()))
            adds |= found[0]
            deletes |= found[1]
        add.append(adds)
        delete.append(deletes & ~adds)
    costs, scale = scaled([action.cost for action in actions])
    return Task(
        atoms=tuple(bit),
        start=sum([mask for c, mask in bit.items() if holds(start.get(c[0], False), c[1])]),
        goal=sum([bit[c] for c in goal if c in bit]),
        actions=tuple(actions),
        pre=tuple(pre),
        add=tuple(add),
        delete=tuple(delete),
        cost=costs,
        scale=scale,
    )


def _effect_masks(value: object, wanted_bits: Iterable[tuple[object, int]]) -> tuple[int, int]:
    adds = deletes = 0
    for wanted, mask in wanted_bits:
        if holds(value, wanted):
            adds |= mask
        elif breaks(value, wanted):
            deletes |= mask
    return adds, deletes
