"""Durations as they are written on a command line."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator

__all__ = ["Seconds"]

_UNITS: Final = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)")


def _seconds(value: object) -> object:
    """A duration in seconds; what is no text is left to its type.

    >>> _seconds("90"), _seconds("20m"), _seconds("1.5h"), _seconds(7)
    (90.0, 1200.0, 5400.0, 7)
    """
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"{value!r} is no duration: say 90 (seconds), 20m, 1h")
    return float(found[1]) * _UNITS[found[2]]


Seconds = Annotated[float, BeforeValidator(_seconds)]
"""Seconds, which may be said as ``20m``."""
