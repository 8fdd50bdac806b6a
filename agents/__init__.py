"""An event-driven GOAP toolkit: observe, plan, act, verify, record.

What a job declares, it imports from here:

```
from agents import Catalogue, Context, Goal, Outcome, Reading, action, facts, sensor
```

and ``agents.plan(start, goal, actions)`` is the planner alone; see `agents.planning.plan`. Nothing
is loaded before it is used, so that ``goap --help`` waits for none of it.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from agents.declare.actions import (
        Context,
        Cost,
        Goal,
        NoParameters,
        Progress,
        action,
        sensor,
    )
    from agents.declare.catalogue import Catalogue
    from agents.declare.facts import Condition, Fact, Facts, Reading, WorldState, facts
    from agents.declare.outcome import (
        Artifact,
        Decision,
        Measurement,
        Outcome,
        Ranking,
        Series,
        Verdict,
    )
    from agents.declare.parameters import Parameters, how, what
    from agents.declare.triggers import Trigger, on
    from agents.errors import (
        ActionFailed,
        FailureClass,
        GoapError,
        Interrupted,
        Permanent,
        Transient,
        Unauthenticated,
        UsageError,
    )
    from agents.planning import (
        UNKNOWN,
        AtLeast,
        Below,
        Limits,
        PlanResult,
        Status,
        Step,
        plan,
    )

__all__ = [
    "DISTRIBUTION",
    "UNKNOWN",
    "ActionFailed",
    "Artifact",
    "AtLeast",
    "Below",
    "Catalogue",
    "Condition",
    "Context",
    "Cost",
    "Decision",
    "Fact",
    "Facts",
    "FailureClass",
    "Goal",
    "GoapError",
    "Interrupted",
    "Limits",
    "Measurement",
    "NoParameters",
    "Outcome",
    "Parameters",
    "Permanent",
    "PlanResult",
    "Progress",
    "Ranking",
    "Reading",
    "Series",
    "Status",
    "Step",
    "Transient",
    "Trigger",
    "Unauthenticated",
    "UsageError",
    "Verdict",
    "WorldState",
    "action",
    "facts",
    "how",
    "on",
    "plan",
    "sensor",
    "what",
]

DISTRIBUTION: Final = "goap-modal-agents"
"""Whose package this is: start-up looks for this name here, where others install one too."""

_HOMES: Final = {
    "agents.declare.actions": "Context Cost Goal NoParameters Progress action sensor",
    "agents.declare.catalogue": "Catalogue",
    "agents.declare.facts": "Condition Fact Facts Reading WorldState facts",
    "agents.declare.outcome": "Artifact Decision Measurement Outcome Ranking Series Verdict",
    "agents.declare.parameters": "Parameters how what",
    "agents.declare.triggers": "Trigger on",
    "agents.errors": (
        "ActionFailed FailureClass GoapError Interrupted Permanent Transient Unauthenticated "
        "UsageError"
    ),
    "agents.planning": "UNKNOWN AtLeast Below Limits PlanResult Status Step plan",
}
_HOME: Final = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # asked once
    return value
