"""What an action touches while it runs, as it is declared."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from agents.declare.context import Context

__all__ = ["Touches", "touched_by"]

Touches: TypeAlias = Callable[[Context[Any]], Iterable[str] | None]
"""Names of what is read or changed; None: that may be everything."""


def touched_by(declared: Iterable[str] | Touches | None) -> Touches | None:
    """The declaration as a function; names are the same for every context."""
    if declared is None or callable(declared):
        return declared
    names = tuple(declared)
    return lambda _: names
