"""A catalogue of checked actions with the index that answers who supplies a condition."""

import threading
from collections.abc import Iterable, Iterator
from functools import cached_property

from agents.planning.operators import Operator, declare_all
from agents.planning.task import Task
from agents.planning.values import AtLeast, Below, Condition, breaks, holds

__all__ = ["Operators", "operators_of"]

_REMEMBERED = 32

Tasks = dict[tuple[Condition, ...], dict[tuple[str, ...], dict[tuple[object, ...], Task | None]]]
"""Compiled tasks by goal, by the facts they depend on, and by the values of these."""


class Operators:
    """Actions in declaration order, indexed by what they change."""

    def __init__(self, actions: tuple[Operator, ...]) -> None:
        self.actions = actions
        self.tasks: Tasks = {}

    def __iter__(self) -> Iterator[Operator]:
        return iter(self.actions)

    @cached_property
    def by_effect(self) -> dict[Condition, list[int]]:
        """The actions that have exactly this effect, in declaration order."""
        index: dict[Condition, list[int]] = {}
        for position, action in enumerate(self.actions):
            for pair in action.effect:
                index.setdefault(pair, []).append(position)
        return index

    @cached_property
    def effects_on(self) -> dict[str, list[object]]:
        """The distinct values the actions give a fact."""
        values: dict[str, list[object]] = {}
        for fact, value in self.by_effect:
            values.setdefault(fact, []).append(value)
        return values

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {action.name: position for position, action in enumerate(self.actions)}

    def position(self, name: str) -> int | None:
        """Where the action of this name stands, or `None`."""
        return self._positions.get(name)

    def remember(
        self,
        goal: tuple[Condition, ...],
        facts: tuple[str, ...],
        values: tuple[object, ...],
        task: Task | None,
    ) -> None:
        """Keep a compiled task for a goal and the values of the facts it depends on."""
        if len(self.tasks) > _REMEMBERED:
            self.tasks.clear()
        tasks = self.tasks.setdefault(goal, {})
        if len(tasks) >= _REMEMBERED and facts not in tasks:
            tasks.clear()
        by_values = tasks.setdefault(facts, {})
        if len(by_values) >= _REMEMBERED:
            by_values.clear()
        by_values[values] = task

    def suppliers(self, condition: Condition) -> list[int]:
        """The actions that make a condition true, in declaration order."""
        fact, wanted = condition
        if not isinstance(wanted, AtLeast | Below):
            return self.by_effect.get(condition, [])
        positions: set[int] = set()
        for value in self.effects_on.get(fact, ()):
            if holds(value, wanted):
                positions.update(self.by_effect[fact, value])
        return sorted(positions)

    def can_break(self, condition: Condition) -> bool:
        """Whether any action makes a condition untrue."""
        fact, wanted = condition
        return any(breaks(value, wanted) for value in self.effects_on.get(fact, ()))


_known: dict[tuple[Operator, ...], Operators] = {}
_lock = threading.Lock()


def operators_of(actions: Iterable[object]) -> Operators:
    """The catalogue of these declarations; the same content is indexed once.

    Declarations that are changed afterwards do not change the catalogue.

    Raises:
        UsageError: For a bad declaration or two actions of one name.
    """
    if isinstance(actions, Operators):
        return actions
    checked = declare_all(actions)
    with _lock:
        operators = _known.get(checked)
        if operators is None:
            if len(_known) >= _REMEMBERED:
                _known.pop(next(iter(_known)))
            operators = _known[checked] = Operators(checked)
        return operators
