"""Actions as the planner sees them: checked once, then immutable.

Declarations come as objects or mappings and are checked by content: the same declaration is
looked at only once per process, however often it is planned with.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter

from agents.errors import UsageError
from agents.planning.facts import (
    UNKNOWN,
    Condition,
    Conditions,
    conflict,
    pairs,
)

__all__ = ["SECONDS_PER_USD", "Action", "declare", "declare_all"]

SECONDS_PER_USD = 360.0
"""How many seconds of waiting one dollar is worth: ten dollars an hour."""

_FIELDS = ("name", "needs", "effect", "cost", "seconds", "usd", "resources")
_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """A checked declaration. The planner makes one per distinct content, so identity is equality.

    Attributes:
        name: What it is called in plans.
        needs: The conditions that must hold before it.
        effect: What it makes true; everything not named stays as it is.
        cost: What the planner minimises.
        seconds: How long it takes, for the critical path.
        usd: What it costs in money.
        resources: Amounts it occupies while it runs; for the scheduler, not for the search.
    """

    name: str
    needs: tuple[Condition, ...]
    effect: tuple[Condition, ...]
    cost: float
    seconds: float
    usd: float
    resources: tuple[tuple[str, int], ...] = ()


_remembered: dict[object, Action] = {}
_lock = threading.Lock()


def declare_all(actions: Iterable[object]) -> tuple[Action, ...]:
    """Every declaration checked, in the order given.

    Raises:
        UsageError: For a bad declaration or two actions of one name.
    """
    checked = tuple(
        [a if type(a) is Action else declare(a, position) for position, a in enumerate(actions)]
    )
    if len({action.name for action in checked}) != len(checked):
        seen: set[str] = set()
        for action in checked:
            if action.name in seen:
                raise UsageError(
                    f"two actions are called {action.name!r}", fix="give every action its own name"
                )
            seen.add(action.name)
    return checked


def declare(declaration: object, position: int = 0) -> Action:
    """One declaration, an object or a mapping, as a checked action.

    Args:
        declaration: Has `name`, `needs`, `effect`, `cost`, and optionally `seconds`, `usd` and
            `resources`. Without `seconds` the cost is taken for them, without `usd` nothing;
            without `cost` it is ``seconds + SECONDS_PER_USD * usd``.
        position: Where it stands in the catalogue, for the message about a missing name.

    Raises:
        UsageError: With the name of the action and what is wrong with it.
    """
    if isinstance(declaration, Action):
        return declaration
    name, needs, effect, cost, seconds, usd, resources = _read(declaration)
    try:
        key = (
            name,
            _content(needs),
            _content(effect),
            cost,
            seconds,
            usd,
            None if resources is None else _content(resources),
        )
        known = _remembered.get(key)
    except TypeError:
        key, known = None, None
    if known is not None and not any(isinstance(n, bool) for n in (cost, seconds, usd)):
        return known
    action = _check((name, needs, effect, cost, seconds, usd, resources), position)
    if key is not None and action.needs == key[1] and action.effect == key[2]:
        with _lock:
            if len(_remembered) >= _REMEMBERED:
                _remembered.clear()
            _remembered[key] = action
    return action


def _read(declaration: object) -> tuple[object, ...]:
    if isinstance(declaration, Mapping):
        get = declaration.get
        return (
            get("name"),
            get("needs", ()),
            get("effect", ()),
            get("cost"),
            get("seconds"),
            get("usd"),
            get("resources"),
        )
    try:
        return _ALL_FIELDS(declaration)
    except AttributeError:
        return tuple(
            getattr(declaration, field, () if field in {"needs", "effect"} else None)
            for field in _FIELDS
        )


_ALL_FIELDS = attrgetter(*_FIELDS)


def _content(conditions: object) -> tuple[object, ...]:
    """The content of a mapping or a sequence; a one-shot iterator has no content to compare."""
    if isinstance(conditions, Mapping):
        return tuple(conditions.items())
    if isinstance(conditions, tuple):
        return conditions
    if isinstance(conditions, list):
        return tuple(conditions)
    raise TypeError("not comparable by content")


def _check(fields: tuple[object, ...], position: int) -> Action:
    name, needs, effect, cost, seconds, usd, resources = fields
    if not isinstance(name, str) or not name:
        raise UsageError(
            f"action number {position + 1} has no name: {name!r}", fix="give it a name"
        )
    checked_needs = _checked_pairs(needs, f"needs of action {name!r}")
    checked_effect = _checked_pairs(effect, f"effect of action {name!r}")
    if not checked_effect:
        raise UsageError(
            f"action {name!r} has no effect, so no plan can need it",
            fix="name in `effect` what it makes true, or remove it",
        )
    for fact, value in checked_needs:
        if value is UNKNOWN:
            raise UsageError(
                f"action {name!r} needs {fact!r} to be UNKNOWN; only a known value can be needed"
            )
    price = _number(usd, f"usd of action {name!r}")
    duration = _number(seconds, f"seconds of action {name!r}")
    total = _number(cost, f"cost of action {name!r}")
    if total is None:
        if price is None and duration is None:
            raise UsageError(f"action {name!r} has no cost", fix="give it a cost, or seconds")
        total = (duration or 0) + SECONDS_PER_USD * (price or 0)
    return Action(
        name=name,
        needs=checked_needs,
        effect=checked_effect,
        cost=total,
        seconds=total if duration is None else duration,
        usd=0.0 if price is None else price,
        resources=_resources(resources, name),
    )


def _checked_pairs(conditions: object, owner: str) -> tuple[Condition, ...]:
    found = pairs(conditions, owner)
    contradiction = conflict(found)
    if contradiction:
        (fact, one), (_, other) = contradiction
        raise UsageError(f"the {owner} contradict: {fact!r} cannot be both {one!r} and {other!r}")
    return found


def _number(value: object, owner: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, Decimal | Fraction):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"the {owner} is not a number: {value!r}")
    if math.isnan(value) or math.isinf(value) or value < 0:
        raise UsageError(f"the {owner} is {value!r}; it must be finite and not negative")
    return int(value) if isinstance(value, int) else float(value)


def _resources(resources: object, name: str) -> tuple[tuple[str, int], ...]:
    if resources is None:
        return ()
    found = pairs(resources, f"resources of action {name!r}")
    amounts: list[tuple[str, int]] = []
    for resource, amount in found:
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 0:
            raise UsageError(
                f"action {name!r} occupies {amount!r} of {resource!r}; it must be a whole number"
            )
        amounts.append((resource, amount))
    return tuple(sorted(amounts))


def goal_pairs(goal: Conditions) -> tuple[Condition, ...]:
    """The conditions of a goal.

    Raises:
        UsageError: If two of them contradict, or one asks for UNKNOWN.
    """
    found = _checked_pairs(goal, "conditions of the goal")
    for fact, value in found:
        if value is UNKNOWN:
            raise UsageError(f"the goal asks for {fact!r} to be UNKNOWN; name a value")
    return found
