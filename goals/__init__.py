"""What should be true: the world's facts, and one file per goal.

Importing this package imports nothing else: a job has goals and facts of its own.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goals.ours import GOALS
    from goals.world import F, World

__all__ = ["GOALS", "F", "World"]

_PUBLIC = {"GOALS": "goals.ours", "F": "goals.world", "World": "goals.world"}
"""Public name → the module that has it, which is imported when the name is first used."""


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = vars(importlib.import_module(_PUBLIC[name]))[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
