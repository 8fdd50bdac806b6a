"""What a run tells the ledger: the data of its events, made from what it knows."""

from typing import Any

from agents.declare.actions import Grounded
from agents.declare.facts import WorldState, show_value
from agents.errors import ActionFailed, GoapError
from agents.money.estimates import total
from agents.run.decide import Deliberation

__all__ = ["ended", "expected", "observed", "planned", "status_of"]

STALLED = "stalled"


def observed(world: WorldState) -> dict[str, Any]:
    """What was seen, and where."""
    readings = {
        fact: {"value": show_value(reading.value), "evidence": reading.evidence}
        for fact, reading in world.readings.items()
    }
    return {"readings": readings}


def planned(deliberation: Deliberation, asking: list[str], because: str) -> dict[str, Any]:
    """A plan: what it costs, its steps, who must approve what, and why it is not the one before."""
    result, estimate = deliberation.result, total(deliberation.actions())
    steps = [
        {"id": step.id, "action": step.action, "after": list(step.after)} for step in result.steps
    ]
    return {
        "digest": result.digest,
        "status": str(result.status),
        "cost": result.cost,
        "seconds": result.seconds,
        "usd": result.usd,
        "seconds_range": list(estimate.seconds),
        "usd_range": None if estimate.usd is None else list(estimate.usd),
        "approval": sorted(set(asking)),
        "steps": steps,
        "because": because,
        "excluded": sorted(deliberation.excluded),
    }


def expected(grounded: Grounded) -> dict[str, Any]:
    """What is expected of a step as it starts, so that the error can be told when it ended."""
    estimate = grounded.estimate
    if estimate is None:
        return {}
    return {
        "expected_seconds": estimate.seconds.expected,
        "declared_seconds": estimate.declared,
        "basis": grounded.basis,
    }


def ended(error: GoapError) -> dict[str, Any]:
    """How a run ended that did not reach its goal."""
    return {
        "status": status_of(error),
        "exit_code": error.exit_code,
        "message": error.message,
        "fix": error.fix,
    }


def status_of(error: GoapError) -> str:
    """In one word, how a run ended; stalled: something failed, and nothing is left to try."""
    return STALLED if error.code == ActionFailed.code else error.code
