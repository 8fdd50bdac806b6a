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
from agents.planning.values import (
    UNKNOWN,
    Condition,
    Conditions,
    conflict,
    owner,
    pairs,
)

__all__ = ["SECONDS_PER_USD", "Operator", "declare", "declare_all"]

SECONDS_PER_USD = 360.0
"""How many seconds of waiting one dollar is worth: ten dollars an hour."""

_FIELDS = ("name", "needs", "effect", "cost", "seconds", "usd", "resources")
_REMEMBERED = 50_000


@dataclass(slots=True, eq=False)  # not frozen: that triples the time to make ten thousand
class Operator:
    """A checked declaration, never changed after it was made.

    There is one per distinct content, so identity is equality.

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


_remembered: dict[object, Operator] = {}
_lock = threading.Lock()


def declare_all(actions: Iterable[object]) -> tuple[Operator, ...]:
    """Every declaration checked, in the order given.

    Raises:
        UsageError: For a bad declaration or two actions of one name.
    """
    checked = tuple(
        [a if type(a) is Operator else declare(a, position) for position, a in enumerate(actions)]
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


def declare(declaration: object, position: int = 0) -> Operator:
    """One declaration, an object or a mapping, as a checked action.

    Args:
        declaration: Has `name`, `needs`, `effect`, `cost`, and optionally `seconds`, `usd` and
            `resources`. Without `seconds` the cost is taken for them, without `usd` nothing;
            without `cost` it is ``seconds + SECONDS_PER_USD * usd``.
        position: Where it stands in the catalogue, for the message about a missing name.

    Raises:
        UsageError: With the name of the action and what is wrong with it.
    """
    if isinstance(declaration, Operator):
        return declaration
    fields = _read(declaration)
    key = _key(fields)
    try:
        return _remembered[key]
    except KeyError:
        action = _check(fields, position)
    except TypeError:  # a value that cannot be hashed, about which the check says more
        return _check(fields, position)
    if key[0]:
        with _lock:
            if len(_remembered) >= _REMEMBERED:
                _remembered.clear()
            _remembered[key] = action
    return action


_ALL_FIELDS = attrgetter(*_FIELDS)


def _read(declaration: object) -> tuple[object, ...]:
    if type(declaration) is dict or isinstance(declaration, Mapping):
        get = declaration.get
        return tuple([get(field) for field in _FIELDS])
    try:
        fields: tuple[object, ...] = _ALL_FIELDS(declaration)
    except AttributeError:
        fields = tuple([getattr(declaration, field, None) for field in _FIELDS])
    return fields


def _key(fields: tuple[object, ...]) -> tuple[object, ...]:
    """What declarations of the same content share; starts with `False` if it must not be kept."""
    name, needs, effect, cost, seconds, usd, resources = fields
    needed = tuple(needs.items()) if type(needs) is dict else _content(needs)
    changes = tuple(effect.items()) if type(effect) is dict else _content(effect)
    occupied = () if resources is None else _content(resources)
    kept = not (
        needed is None
        or changes is None
        or occupied is None  # an iterator can be read only once
        or type(cost) is bool  # a truth value equals 1 or 0, yet is no number here
        or type(seconds) is bool
        or type(usd) is bool
    )
    return (kept, name, needed, changes, cost, seconds, usd, occupied)


def _content(conditions: object) -> object:
    if conditions is None:
        return ()
    if isinstance(conditions, Mapping):
        return tuple(conditions.items())
    return tuple(conditions) if isinstance(conditions, tuple | list) else None


def _check(fields: tuple[object, ...], position: int) -> Operator:
    name, needs, effect, cost, seconds, usd, resources = fields
    if not isinstance(name, str) or not name:
        raise UsageError(
            f"action number {position + 1} has no name: {name!r}", fix="give it a name"
        )
    checked_needs = _checked_pairs(needs, "needs", name)
    checked_effect = _checked_pairs(effect, "effect", name)
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
    price = _number(usd, "usd", name)
    duration = _number(seconds, "seconds", name)
    total = _number(cost, "cost", name)
    if total is None:
        if price is None and duration is None:
            raise UsageError(f"action {name!r} has no cost", fix="give it a cost, or seconds")
        total = (duration or 0) + SECONDS_PER_USD * (price or 0)
    return Operator(
        name,
        checked_needs,
        checked_effect,
        total,
        total if duration is None else duration,
        0.0 if price is None else price,
        () if resources is None else _resources(resources, name),
    )


def _checked_pairs(conditions: object, what: str, name: str) -> tuple[Condition, ...]:
    if not conditions and (conditions is None or type(conditions) is dict):
        return ()
    checked = pairs(conditions, what, name)
    if type(conditions) is dict or len(checked) < 2:
        return checked  # one condition per fact cannot contradict
    contradiction = conflict(checked)
    if contradiction:
        (fact, one), (_, other) = contradiction
        raise UsageError(
            f"the {what} of {owner(name)} contradict: {fact!r} cannot be both {one!r} and {other!r}"
        )
    return checked


def _number(value: object, what: str, name: str) -> float | None:
    kind = type(value)
    if value is None:
        return None
    if kind is not int and kind is not float:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal | Fraction):
            raise UsageError(f"the {what} of action {name!r} is not a number: {value!r}")
        value = int(value) if isinstance(value, int) else float(value)
    if not 0 <= value < math.inf:  # type: ignore[operator]
        raise UsageError(
            f"the {what} of action {name!r} is {value!r}; it must be finite and not negative"
        )
    return value  # type: ignore[return-value]


def _resources(resources: object, name: str) -> tuple[tuple[str, int], ...]:
    if resources is None:
        return ()
    occupied = pairs(resources, "resources", name)
    amounts: list[tuple[str, int]] = []
    for resource, amount in occupied:
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
    wanted = _checked_pairs(goal, "conditions", "")
    for fact, value in wanted:
        if value is UNKNOWN:
            raise UsageError(f"the goal asks for {fact!r} to be UNKNOWN; name a value")
    return wanted
