"""The settings of a training: what they are by name, and the one spelling of every value."""

import enum
import json
import math
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["canonical", "values_of"]


def values_of(settings: "BaseModel | None") -> dict[str, Any]:
    """Setting → its value as JSON, the same for all spellings of it; nothing without settings.

    Raises:
        ValueError: A value is a number that is not finite, or JSON cannot say it; it is named.
    """
    if settings is None:
        return {}
    values = {}
    for name, value in settings.model_dump().items():
        try:
            values[name] = canonical(value)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from error
    return values


def canonical(value: Any) -> Any:
    """One value as JSON.

    >>> canonical((2e-3, frozenset({"b", "a"})))
    [0.002, ['a', 'b']]

    Raises:
        ValueError: It is a number that is not finite, or JSON cannot say it.
    """
    if isinstance(value, enum.Enum):
        return canonical(value.value)
    if isinstance(value, Mapping):
        return {str(canonical(name)): canonical(each) for name, each in value.items()}
    if isinstance(value, Set):
        return sorted((canonical(each) for each in value), key=_sortable)
    if isinstance(value, list | tuple):
        return [canonical(each) for each in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not finite, and a key is made of numbers that are")
        return value + 0.0  # minus nought is nought
    if isinstance(value, Decimal):
        return _digits_of(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    return _said(value)


def _digits_of(value: Decimal) -> str:
    """A decimal number to its last digit, however many noughts were written behind it."""
    if not value.is_finite():
        raise ValueError(f"{value} is not finite, and a key is made of numbers that are")
    if not value:
        return "0"
    exact = Context(prec=len(value.as_tuple().digits), Emax=MAX_EMAX, Emin=MIN_EMIN)
    return str(value.normalize(exact))


def _said(value: Any) -> Any:
    # a declaration without settings needs no pydantic
    from pydantic import SecretBytes, SecretStr  # noqa: PLC0415
    from pydantic_core import PydanticSerializationError, to_jsonable_python  # noqa: PLC0415

    if isinstance(value, SecretStr | SecretBytes):
        raise ValueError("a secret is no setting: it would be kept with the training; secrets=")  # noqa: TRY004
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError as error:
        raise ValueError(f"a {type(value).__name__} is nothing that JSON can say") from error


def _sortable(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
