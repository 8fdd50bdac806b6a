"""Why a run has no plan, as the error that ends it."""

from agents.command import command
from agents.declare.facts import Condition
from agents.errors import GoapError, NotApproved, Unreachable
from agents.money.prices import at_most
from agents.money.purse import Purse
from agents.planning import Status
from agents.run.decide import Deliberation
from agents.run.failures import FailureMemory

__all__ = ["why_no_plan"]


def why_no_plan(deliberation: Deliberation, purse: Purse, memory: FailureMemory) -> GoapError:
    """The cap, a failure of this run, or a fact that nothing supplies."""
    result = deliberation.result
    if result.status is Status.OVER_BUDGET:
        spent = f"; ${purse.spent:.2f} are spent" if purse.spent else ""
        return NotApproved(
            f"the cheapest plan costs ${at_most(result.usd)}, more than "
            f"max_cost={purse.cap} leaves{spent}",
            fix=f"max_cost={at_most(purse.spent + result.usd)} or more",
        )
    if memory.last:
        return list(memory.last.values())[-1].error
    missing = "; ".join(
        f"{Condition(each.fact, each.value)} (needed by {', '.join(each.needed_by)}; "
        f"{_evidence(deliberation, each.fact)})"
        for each in result.missing
    )
    goal = deliberation.goal.name
    return Unreachable(
        f"nothing can make this true: {missing or goal}", fix=command(f"explain {goal}")
    )


def _evidence(deliberation: Deliberation, fact: str) -> str:
    readings = deliberation.world.readings
    return readings[fact].evidence if fact in readings else "never seen"
