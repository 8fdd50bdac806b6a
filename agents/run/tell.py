"""What a run tells the ledger: payloads made from what it knows."""

from collections.abc import Mapping

from agents.declare.actions import Grounded
from agents.declare.facts import Reading, WorldState, json_value
from agents.errors import ActionFailed, GoapError
from agents.ledger.payloads import (
    FactsObserved,
    PlanMade,
    PlanStep,
    RunFinished,
    Seen,
    StepFailed,
    StepStarted,
)
from agents.money.estimates import total
from agents.planning import Step
from agents.run.decide import Deliberation
from agents.run.failures import StepFailure

__all__ = ["ended", "failed", "observed", "planned", "seen", "started", "status_of"]

STALLED = "stalled"


def seen(reading: Reading) -> Seen:
    """One reading, its value as JSON."""
    return Seen(value=json_value(reading.value), evidence=reading.evidence)


def observed(world: WorldState, raised: Mapping[str, str]) -> FactsObserved:
    """What was seen, and where; and where the sensors broke that raised something."""
    readings = {fact: seen(each) for fact, each in world.readings.items()}
    return FactsObserved(readings=readings, tracebacks=dict(raised))


def planned(deliberation: Deliberation, because: str) -> PlanMade:
    """A plan: what it costs, its steps, who must approve what, and why it is not the one before."""
    result, estimate = deliberation.result, total(deliberation.actions())
    return PlanMade(
        digest=deliberation.digest,
        status=str(result.status),
        cost=result.cost,
        seconds=result.seconds,
        usd=result.usd,
        seconds_range=tuple(estimate.seconds),
        usd_range=None if estimate.usd is None else tuple(estimate.usd),
        approval=tuple(sorted({*deliberation.asking, *deliberation.unpriced})),
        steps=tuple(
            PlanStep(
                id=step.id,
                action=step.action,
                after=tuple(step.after),
                seconds=round(step.seconds, 3),
            )
            for step in result.steps
        ),
        because=because,
        excluded=tuple(sorted(deliberation.excluded)),
    )


def started(step: Step, grounded: Grounded, attempt: int) -> StepStarted:
    """A step begins, with what is expected of it."""
    estimate = grounded.estimate
    if estimate is None:
        return StepStarted(step=step.id, action=step.action, attempt=attempt)
    return StepStarted(
        step=step.id,
        action=step.action,
        attempt=attempt,
        basis=grounded.basis,
        machines=grounded.machines,
        expected_seconds=estimate.seconds.expected,
        declared_seconds=estimate.declared,
    )


def failed(failure: StepFailure) -> StepFailed:
    """A failure as it is kept in the ledger."""
    return StepFailed(
        step=failure.step,
        action=failure.action,
        failure_class=str(failure.error.failure_class),
        name=failure.error.name,
        message=failure.error.message,
        fix=failure.error.fix,
        traceback=failure.error.traceback,
    )


def ended(error: GoapError) -> RunFinished:
    """How a run ended that did not reach its goal."""
    return RunFinished(
        status=status_of(error),
        exit_code=error.exit_code,
        message=error.message,
        fix=error.fix,
    )


def status_of(error: GoapError) -> str:
    """In one word, how a run ended; stalled: something failed, and nothing is left to try."""
    return STALLED if error.code == ActionFailed.code else error.code
