"""An event-driven GOAP toolkit: observe, plan, act, verify, record.

``agents.plan(start, goal, actions)`` is the planner for a stranger; see `agents.planning.plan`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

__all__ = ["UNKNOWN", "AtLeast", "Below", "Limits", "PlanResult", "Status", "Step", "plan"]


def __getattr__(name: str) -> Any:
    # late, so that `python -m agents --help` does not pay for networkx
    if name in __all__:
        from agents import planning  # noqa: PLC0415

        return getattr(planning, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
