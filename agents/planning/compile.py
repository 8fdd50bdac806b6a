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
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from math import lcm

from agents.planning.operator_index import Operators
from agents.planning.operators import Operator
from agents.planning.task import Task
from agents.planning.values import Condition, World, breaks, holds

__all__ = ["compile_task", "exact", "reach", "scaled"]


@lru_cache(maxsize=4096)
def exact(number: float) -> Fraction:
    """A number as its shortest decimal, so that 0.1 means a tenth."""
    return Fraction(repr(number))


def scaled(numbers: Sequence[float]) -> tuple[tuple[int, ...], int]:
    """Whole numbers in the same proportions, and the factor between."""
    fractions = [exact(number) for number in numbers]
    scale = lcm(*{fraction.denominator for fraction in fractions})
    return tuple(f.numerator * (scale // f.denominator) for f in fractions), scale


def compile_task(start: World, goal: tuple[Condition, ...], catalogue: Operators) -> Task | None:
    """The problem in bits, or `None` if it has no plan even if no action undid anything.

    What comes out depends only on the values of the facts that were looked at, so a question
    that has the same values of the same facts is compiled once.
    """
    tasks = catalogue.tasks.setdefault(goal, {})
    try:
        for facts, by_values in list(tasks.items()):  # another thread may add to it
            values = tuple([start.get(fact, False) for fact in facts])
            if values in by_values:
                return by_values[values]
    except TypeError:  # a value of the world that cannot be hashed
        return _compile(_Relevance(start, goal, catalogue), goal)
    relevant = _Relevance(start, goal, catalogue)
    task = _compile(relevant, goal)
    facts = tuple(dict.fromkeys([fact for fact, _ in relevant.suppliers]))
    values = tuple([start.get(fact, False) for fact in facts])
    with suppress(TypeError):  # as above
        catalogue.remember(goal, facts, values, task)
    return task


def _compile(relevant: "_Relevance", goal: tuple[Condition, ...]) -> Task | None:
    reached = relevant.reachable()
    if any(condition not in reached for condition in goal):
        return None
    chosen, atoms = relevant.needed_only(goal)
    actions = [relevant.catalogue.actions[position] for position in chosen]
    return _build(relevant.start, goal, actions, atoms)


def reach(
    start: World, goal: tuple[Condition, ...], catalogue: Operators
) -> tuple[list[int], set[Condition]]:
    """The actions that could help, and the conditions that can be reached undoing nothing."""
    relevant = _Relevance(start, goal, catalogue)
    reached = relevant.reachable()
    return sorted(relevant.actions), reached


class _Relevance:
    """Which actions and conditions can matter, found backwards from the goal."""

    def __init__(self, start: World, goal: tuple[Condition, ...], catalogue: Operators) -> None:
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
            positions = self.suppliers[condition] = catalogue.suppliers(condition)
            for position in positions:
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


def _values_given(catalogue: Operators, positions: Iterable[int]) -> dict[str, set[object]]:
    values: dict[str, set[object]] = {}
    for position in positions:
        for fact, value in catalogue.actions[position].effect:
            values.setdefault(fact, set()).add(value)
    return values


def _build(
    start: World, goal: tuple[Condition, ...], actions: list[Operator], atoms: set[Condition]
) -> Task:
    """Number the atoms in order of first mention, so the caller's goal order is of no account."""
    bit = _bits(actions, atoms)
    on_fact: dict[str, list[tuple[object, int]]] = {}
    for (fact, wanted), mask in bit.items():
        on_fact.setdefault(fact, []).append((wanted, mask))
    masks: dict[Condition, tuple[int, int]] = {}
    pre, add, delete = [], [], []
    for action in actions:
        pre.append(sum([bit[c] for c in action.needs if c in bit]))
        adds = deletes = 0
        for effect in action.effect:
            change = masks.get(effect)
            if change is None:
                change = masks[effect] = _effect_masks(effect[1], on_fact.get(effect[0], ()))
            adds |= change[0]
            deletes |= change[1]
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


def _bits(actions: list[Operator], atoms: set[Condition]) -> dict[Condition, int]:
    """Each atom with the bit that stands for it in a state."""
    bit: dict[Condition, int] = {}
    for action in actions:
        for condition in (*action.needs, *action.effect):
            if condition in atoms and condition not in bit:
                bit[condition] = 1 << len(bit)
    for condition in sorted(atoms - bit.keys(), key=repr):
        bit[condition] = 1 << len(bit)
    return bit


def _effect_masks(value: object, wanted_bits: Iterable[tuple[object, int]]) -> tuple[int, int]:
    adds = deletes = 0
    for wanted, mask in wanted_bits:
        if holds(value, wanted):
            adds |= mask
        elif breaks(value, wanted):
            deletes |= mask
    return adds, deletes
