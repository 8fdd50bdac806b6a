"""Parameters: what a user may set for a goal, each declared with the part it plays.

```
class TeaParameters(Parameters):
    pot: Path = what(Path("pot"), description="where the tea is poured")
    sugar: int = what(0, ge=0, description="spoons")
    burners: int = how(1, ge=1, description="burners to use")
```

*What* decides what comes out and where it is written; *how* decides only the way there. Two
requests are the same when the canonical values of their parameters are: defaults filled in, types
normalised, paths absolute.
"""

import enum
import json
import math
import os
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import to_jsonable_python

__all__ = [
    "NoParameters",
    "Parameters",
    "Role",
    "absolute",
    "canonical_of",
    "canonical_value",
    "headline_of",
    "how",
    "role_of",
    "what",
]

Role = Literal["what", "how"]
_ROLE, _HEADLINE = "role", "headline"


class Parameters(BaseModel):
    """Base of the parameters of a goal: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    @property
    def repository(self) -> Path | None:
        """The repository that a run is about: its commit is written down; None: there is none."""
        return None

    def canonical(self, state: Path) -> dict[str, JsonValue]:  # noqa: ARG002 - for who overrides
        """Parameter → its value in the one spelling that stands for all others.

        Override it where values mean the same although they differ: a name that stands for
        settings, or a default that depends on the state directory. Every name it returns is of the
        role ``what`` unless a parameter of that name was declared with ``how``.

        Args:
            state: The state directory.
        """
        return {name: canonical_value(getattr(self, name)) for name in type(self).model_fields}


class NoParameters(Parameters):
    """The parameters of a goal that has none."""


def what(default: Any = ..., *, headline: bool = False, **field: Any) -> Any:
    """Declare a parameter that decides what comes out.

    Args:
        default: Its value when nothing is said; without one it must be given.
        headline: Whether a plan shows it in its first line also when nothing was said.
        field: What pydantic's Field takes: a description, bounds.
    """
    return Field(default, json_schema_extra=_extra("what", headline=headline), **field)


def how(default: Any = ..., *, headline: bool = False, **field: Any) -> Any:
    """Declare a parameter that changes only the way there, such as a number of threads.

    Args:
        default: Its value when nothing is said; without one it must be given.
        headline: Whether a plan shows it in its first line also when nothing was said.
        field: What pydantic's Field takes: a description, bounds.
    """
    return Field(default, json_schema_extra=_extra("how", headline=headline), **field)


def _extra(role: Role, *, headline: bool) -> dict[str, JsonValue]:
    return {_ROLE: role, **({_HEADLINE: True} if headline else {})}


def role_of(parameters: type[BaseModel], name: str) -> Role:
    """The part a parameter plays; one that was declared without a role counts as ``what``."""
    return "how" if _said(parameters, name, _ROLE) == "how" else "what"


def headline_of(params: BaseModel) -> dict[str, object]:
    """The parameters that a plan shows in its first line: what was said, and what always is."""
    kind = type(params)
    return {
        name: value
        for name, value in params
        if name in params.model_fields_set or _said(kind, name, _HEADLINE)
    }


def _said(parameters: type[BaseModel], name: str, key: str) -> object:
    field = parameters.model_fields.get(name)
    extra = field.json_schema_extra if field is not None else None
    return extra.get(key) if isinstance(extra, Mapping) else None


def canonical_of(params: BaseModel, state: Path) -> dict[str, JsonValue]:
    """The canonical values of any parameters; those of a plain model all count as *what*."""
    if isinstance(params, Parameters):
        return params.canonical(state)
    return {name: canonical_value(getattr(params, name)) for name in type(params).model_fields}


def canonical_value(value: object) -> JsonValue:  # noqa: PLR0911 - one line per kind of value
    """One value as JSON, the same for all spellings of it.

    >>> canonical_value((2e-3, frozenset({"b", "a"})))
    [0.002, ['a', 'b']]
    """
    if isinstance(value, enum.Enum):
        return canonical_value(value.value)
    if isinstance(value, BaseModel):
        return {name: canonical_value(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Path):
        return absolute(value)
    if isinstance(value, float):
        # JSON has no word for what is no number; minus nought is nought
        return value + 0.0 if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return str(value.normalize() + 0) if value.is_finite() else str(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return {str(canonical_value(key)): canonical_value(each) for key, each in value.items()}
    if isinstance(value, Set):
        return sorted((canonical_value(each) for each in value), key=_sortable)
    if isinstance(value, list | tuple):
        return [canonical_value(each) for each in value]
    plain: JsonValue = to_jsonable_python(value)
    return plain


def _sortable(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)


def absolute(path: Path | str) -> str:
    """The one absolute spelling of a path, with links followed: ``./books`` and ``books/``."""
    return os.path.realpath(path)
