"""Facts: what can be said about the world, as typed handles of one pydantic model.

```
class World(BaseModel):
    auth_valid: bool = Field(description="the compute accepts our credentials")
    free_gb: float = Field(description="free space of the disk, in GB")

F = facts(World)
F.auth_valid            # the condition "auth_valid is true"
~F.auth_valid           # "auth_valid is false"
F.free_gb >= 5          # "free_gb is at least 5"
F.phase == Phase.READY  # "phase is ready"
F.auth_vaild            # UsageError when the module is imported
```
"""

import enum
import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from agents.command import command
from agents.declare.work import Work
from agents.errors import UsageError, nearest
from agents.planning import UNKNOWN, AtLeast, Below
from agents.planning.values import holds

__all__ = [
    "UNKNOWN",
    "Condition",
    "Fact",
    "Facts",
    "Reading",
    "WorldState",
    "conditions",
    "facts",
    "json_value",
    "show_value",
    "statements",
]


class Condition(NamedTuple):
    """One fact and the value it should have; a pair, as the planner reads it."""

    fact: str
    value: object

    def __str__(self) -> str:
        if self.value is True:
            return self.fact
        if self.value is False:
            return f"not {self.fact}"
        if isinstance(self.value, AtLeast | Below):
            return f"{self.fact} {show_value(self.value)}"
        return f"{self.fact} = {show_value(self.value)}"


@dataclass(frozen=True, eq=False)
class Fact:
    """A typed handle of one field of the world; comparing it gives a condition."""

    name: str
    domain: tuple[object, ...] | None
    description: str = ""

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        if self.domain is not None and value not in self.domain:
            allowed = ", ".join(show_value(each) for each in self.domain)
            raise UsageError(f"{self.name} cannot be {value!r}; it is one of: {allowed}")
        return Condition(self.name, value)

    def __ge__(self, least: float) -> Condition:
        return Condition(self.name, AtLeast(self._number(least)))

    def __lt__(self, bound: float) -> Condition:
        return Condition(self.name, Below(self._number(bound)))

    def __invert__(self) -> Condition:
        return self == False  # noqa: E712 - builds a condition

    def __hash__(self) -> int:
        return hash(self.name)

    def __bool__(self) -> bool:
        raise UsageError(f"{self.name} is a handle: it has no value; read it from a world state")

    def _number(self, value: float) -> float:
        if self.domain is not None:
            raise UsageError(f"{self.name} is not a number, so it has no thresholds")
        return value


class Facts(Mapping[str, Fact]):
    """The handles of one world, by attribute or by name.

    Raises:
        UsageError: The world declares no such fact; the message has the nearest name.
    """

    def __init__(self, world: type[BaseModel]) -> None:
        self.world = world
        self._handles = {
            name: Fact(name, _domain(world, name), field.description or "")
            for name, field in world.model_fields.items()
        }

    def __getattr__(self, name: str) -> Fact:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Fact:
        try:
            return self._handles[name]
        except KeyError:
            raise UsageError(
                f"no fact is called {name!r}{nearest(name, self._handles)}",
                fix=command("facts"),
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)


def facts(world: type[BaseModel]) -> Facts:
    """Typed handles of the fields of ``world``."""
    return Facts(world)


def conditions(given: Fact | Condition | Iterable[Fact | Condition]) -> tuple[Condition, ...]:
    """Conditions from handles and conditions; a bare handle of a bool means "is true"."""
    if isinstance(given, Fact | Condition):
        given = (given,)
    return tuple(each if isinstance(each, Condition) else (each == True) for each in given)  # noqa: E712


class Reading(NamedTuple):
    """What a sensor saw: a value (perhaps UNKNOWN), where it saw it, and who works on it now."""

    value: object
    evidence: str
    work: Work | None = None


class WorldState(Mapping[str, object]):
    """An immutable mapping fact → value, made from readings; what planning starts from."""

    def __init__(self, readings: Mapping[str, Reading]) -> None:
        self.readings = types.MappingProxyType(dict(sorted(readings.items())))

    def __getitem__(self, fact: str) -> object:
        return self.readings[fact].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.readings)

    def __len__(self) -> int:
        return len(self.readings)

    def holds(self, condition: Condition) -> bool:
        """True when the condition is known to hold; unknown is never taken for false."""
        return condition.fact in self and holds(self[condition.fact], condition.value)

    def updated(self, readings: Mapping[str, Reading]) -> "WorldState":
        """A new state with these readings in place of the old ones."""
        return WorldState({**self.readings, **readings})


def statements(world: Mapping[str, object]) -> dict[str, object]:
    """What is true or false or named; numbers change without anybody's doing."""
    return {fact: value for fact, value in world.items() if not isinstance(value, float)}


def json_value(value: object) -> bool | int | float | str | None:
    """A value in its JSON type; null is unknown, and a threshold is what is written for it.

    JSON has no number that is not finite: what is beyond all numbers is not known either.
    """
    if isinstance(value, enum.Enum):
        value = value.value
    if value is UNKNOWN or value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, bool | int | float | str) else show_value(value)


def show_value(value: object) -> str:
    """A value, or what JSON has for it, as a person writes it."""
    if value is None:
        value = UNKNOWN
    if isinstance(value, AtLeast):
        return f">= {value.bound:g}"
    if isinstance(value, Below):
        return f"< {value.bound:g}"
    if isinstance(value, bool) or value is UNKNOWN:
        return str(value).lower()
    if isinstance(value, enum.Enum):
        return str(value.value)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else _whole(value)


def _whole(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def _domain(world: type[BaseModel], name: str) -> tuple[object, ...] | None:
    """The finite values of a field, or None for a number."""
    annotation: Any = world.model_fields[name].annotation
    if annotation is bool:
        return (True, False)
    if annotation in (int, float):
        return None
    if typing.get_origin(annotation) is Literal:
        return typing.get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple(annotation)
    raise UsageError(
        f"the fact {name} of {world.__name__} must be a bool, an Enum, a Literal or a number, "
        f"not {annotation!r}"
    )
