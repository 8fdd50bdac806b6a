"""What can be said about a fact: a value, a threshold, or that nobody knows.

A world is a mapping from fact names to values. A fact that is absent is `False`, and `False`
counts as the number 0, as it does everywhere in Python.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Final, Never, TypeGuard

from agents.errors import UsageError

__all__ = [
    "UNKNOWN",
    "AtLeast",
    "Below",
    "Condition",
    "Conditions",
    "Unknown",
    "World",
    "apply_effect",
    "breaks",
    "compatible",
    "conflict",
    "holds",
    "owner",
    "pairs",
    "value_after",
]

World = Mapping[str, object]
Condition = tuple[str, object]
Conditions = Mapping[str, object] | Iterable[Condition]


class Unknown:
    """The type of `UNKNOWN`, the value of a fact nobody has observed yet."""

    __slots__ = ()

    def __bool__(self) -> Never:
        raise TypeError("UNKNOWN is neither true nor false; compare with `is UNKNOWN`")

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __reduce__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A number that is `bound` or more.

    As an effect it raises a lower number to at least `bound` and leaves a higher one alone;
    no condition between the old number and the bound is assumed to change otherwise.
    """

    bound: float

    def __post_init__(self) -> None:
        _check_bound(self, self.bound)


@dataclass(frozen=True, slots=True)
class Below:
    """A number that is less than `bound`.

    As an effect it lowers a number that is not below `bound` to just below it.
    """

    bound: float

    def __post_init__(self) -> None:
        _check_bound(self, self.bound)


@dataclass(frozen=True, slots=True)
class Between:
    """What is known of an unknown number that was raised and lowered: in [low, high)."""

    low: float
    high: float


def _check_bound(threshold: AtLeast | Below, bound: object) -> None:
    if not isinstance(bound, Real) or math.isnan(bound):
        kind = type(threshold).__name__
        raise UsageError(f"{kind} needs a number, not {bound!r}")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real)


def holds(actual: object, wanted: object) -> bool:
    """Whether a fact whose value is `actual` satisfies `wanted`.

    Args:
        actual: A value, `UNKNOWN`, or a threshold where only that much is known of a number.
        wanted: A value, `AtLeast` or `Below`.

    >>> holds(7, AtLeast(5)), holds(UNKNOWN, False), holds(AtLeast(9), Below(10))
    (True, False, False)
    """
    if isinstance(wanted, AtLeast):
        return (actual if _is_number(actual) else _range(actual)[0]) >= wanted.bound
    if isinstance(wanted, Below):
        return actual < wanted.bound if _is_number(actual) else _range(actual)[1] <= wanted.bound
    return bool(actual == wanted)  # UNKNOWN equals no value


def breaks(effect: object, wanted: object) -> bool:
    """Whether an effect with this value makes a condition `wanted` on the same fact untrue."""
    if isinstance(effect, AtLeast):
        if isinstance(wanted, AtLeast):
            return False
        if isinstance(wanted, Below):
            return wanted.bound <= effect.bound
        return not (_is_number(wanted) and wanted >= effect.bound)
    if isinstance(effect, Below):
        if isinstance(wanted, Below):
            return False
        if isinstance(wanted, AtLeast):
            return wanted.bound >= effect.bound
        return not (_is_number(wanted) and wanted < effect.bound)
    return not holds(effect, wanted)


def value_after(actual: object, effect: object) -> object:
    """The value of a fact after one effect on it.

    Of an unknown number that was raised or lowered only the threshold is known, and the
    threshold, or a `Between`, is returned.
    """
    if not isinstance(effect, AtLeast | Below):
        return effect
    if holds(actual, effect):
        return actual
    low, high = _range(actual)
    if isinstance(effect, AtLeast):
        return effect.bound if high <= effect.bound else _known(effect.bound, high)
    just_below = math.nextafter(effect.bound, -math.inf)
    return just_below if low >= effect.bound else _known(low, effect.bound)


def _range(actual: object) -> tuple[float, float]:
    """The numbers a value can be: from the first to just below the second."""
    if isinstance(actual, AtLeast):
        return actual.bound, math.inf
    if isinstance(actual, Below):
        return -math.inf, actual.bound
    if isinstance(actual, Between):
        return actual.low, actual.high
    if _is_number(actual):
        return actual, math.nextafter(actual, math.inf)
    return -math.inf, math.inf


def _known(low: float, high: float) -> object:
    if high == math.inf:
        return AtLeast(low)
    return Below(high) if low == -math.inf else Between(low, high)


def apply_effect(world: World, effect: Iterable[Condition]) -> dict[str, object]:
    """The world after an action with this effect, as a new mapping."""
    after = dict(world)
    for fact, value in effect:
        after[fact] = value_after(after.get(fact, False), value)
    return after


def owner(name: str) -> str:
    """Whose conditions they are: those of an action, or of the goal."""
    return f"action {name!r}" if name else "the goal"


def pairs(conditions: object, what: str, name: str = "") -> tuple[Condition, ...]:
    """The (fact, value) pairs of a mapping or of an iterable of pairs, without repetitions.

    Args:
        conditions: The mapping or iterable.
        what: What they are, for a message.
        name: The action they belong to; empty for the goal.

    Raises:
        UsageError: If it is neither, if a fact is not named by a string, or if a value cannot
            be hashed.
    """
    try:
        if type(conditions) is dict:
            pairs = tuple(conditions.items())
            hash(pairs)
        else:
            pairs = tuple(dict.fromkeys(_items(conditions)))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"the {what} of {owner(name)} are not a mapping fact -> value with hashable "
            f"values: {conditions!r}",
            fix="write {'fact': value} or a list of (fact, value) pairs",
        ) from error
    for fact, _ in pairs:
        if type(fact) is not str and not isinstance(fact, str):
            raise UsageError(
                f"the {what} of {owner(name)} name a fact by {fact!r}, which is not a string"
            )
    return pairs


def _items(conditions: object) -> list[Condition]:
    items = conditions.items() if isinstance(conditions, Mapping) else conditions
    if isinstance(items, set | frozenset):
        items = sorted(items, key=repr)  # the order of a set changes from run to run
    return [(fact, value) for fact, value in items]  # type: ignore[attr-defined]


def conflict(conditions: Iterable[Condition]) -> tuple[Condition, Condition] | None:
    """Two conditions that cannot hold together, or `None`."""
    by_fact: dict[str, list[object]] = {}
    for fact, value in conditions:
        for other in by_fact.setdefault(fact, []):
            if not compatible(value, other):
                return (fact, other), (fact, value)
        by_fact[fact].append(value)
    return None


def compatible(one: object, other: object) -> bool:
    """Whether one fact can satisfy both conditions at once."""
    if isinstance(one, AtLeast | Below) and isinstance(other, AtLeast | Below):
        if isinstance(one, AtLeast) and isinstance(other, Below):
            return one.bound < other.bound
        if isinstance(one, Below) and isinstance(other, AtLeast):
            return other.bound < one.bound
        return True
    if isinstance(one, AtLeast | Below):
        return holds(other, one)
    return holds(one, other)
