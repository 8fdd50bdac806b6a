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

import dataclasses
import enum
import hashlib
import json
import math
import os
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretBytes, SecretStr
from pydantic_core import PydanticSerializationError, to_jsonable_python

from agents.errors import UsageError

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


def canonical_value(value: object) -> JsonValue:
    """One value as JSON, the same for all spellings of it.

    >>> canonical_value((2e-3, frozenset({"b", "a"})))
    [0.002, ['a', 'b']]

    Raises:
        UsageError: The value is of a type that JSON cannot say.
    """
    if isinstance(value, enum.Enum):
        return canonical_value(value.value)
    members = _members(value)
    if members is not None:
        return {str(canonical_value(key)): canonical_value(each) for key, each in members.items()}
    if isinstance(value, Set):
        return sorted((canonical_value(each) for each in value), key=_sortable)
    if isinstance(value, list | tuple):
        return [canonical_value(each) for each in value]
    return _canonical_scalar(value)


def _members(value: object) -> Mapping[Any, object] | None:
    """What a value with named parts is made of; None where it has none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        # what a model takes beside its fields is a value as well
        names = [*type(value).model_fields, *(value.model_extra or {})]
        return {name: getattr(value, name) for name in names}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _canonical_scalar(value: object) -> JsonValue:
    if isinstance(value, Path):
        return absolute(value)
    if isinstance(value, float):
        # JSON has no word for what is no number; minus nought is nought
        return value + 0.0 if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return _digits_of(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, SecretStr | SecretBytes):
        return _digest_of(value)
    try:
        plain: JsonValue = to_jsonable_python(value)
    except PydanticSerializationError as error:
        raise UsageError(
            f"a parameter of type {type(value).__name__} has no canonical value",
            fix="say it in canonical() of the goal's parameters",
        ) from error
    return plain


def _digits_of(value: Decimal) -> str:
    """A decimal number to its last digit, however many noughts were written behind it."""
    if not value.is_finite():
        return str(value)
    if not value:
        return "0"
    exact = Context(prec=len(value.as_tuple().digits), Emax=MAX_EMAX, Emin=MIN_EMIN)
    return str(value.normalize(exact))


def _digest_of(secret: SecretStr | SecretBytes) -> str:
    """What stands for a secret: another one is another value, and none can be told from it."""
    value = secret.get_secret_value()
    content = value.encode() if isinstance(value, str) else value
    # slow on purpose: the ledger keeps it, and a secret may be a short one
    return hashlib.scrypt(content, salt=b"goap", n=2**14, r=8, p=1, dklen=16).hex()


def _sortable(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)


def absolute(path: Path | str) -> str:
    """The one absolute spelling of a path, with links followed: ``./books`` and ``books/``."""
    return os.path.realpath(path)
