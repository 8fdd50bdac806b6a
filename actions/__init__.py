"""What touches the world: sensors look, actions change.

``from actions import toolkit`` is what a job needs. Importing this package imports nothing else:
what our own models need is none of a job's business.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actions.contributions import OurContributions
    from actions.ours import ACTIONS, SENSORS
    from actions.ports import Ports, connect
    from actions.trained.catalogue import facts_of, parameters_of, toolkit

__all__ = [
    "ACTIONS",
    "SENSORS",
    "OurContributions",
    "Ports",
    "connect",
    "facts_of",
    "parameters_of",
    "toolkit",
]

_PUBLIC = {
    "ACTIONS": "actions.ours",
    "SENSORS": "actions.ours",
    "OurContributions": "actions.contributions",
    "Ports": "actions.ports",
    "connect": "actions.ports",
    "facts_of": "actions.trained.catalogue",
    "parameters_of": "actions.trained.catalogue",
    "toolkit": "actions.trained.catalogue",
}
"""Public name → the module that has it, which is imported when the name is first used."""


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = vars(importlib.import_module(_PUBLIC[name]))[name]
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
