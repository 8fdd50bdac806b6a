"""From what was thought about to the data of a plan."""

import math
from dataclasses import asdict
from typing import Literal

from agents.declare.facts import UNKNOWN, Condition, Reading, json_value
from agents.money.estimates import total
from agents.planning import Step
from agents.planning.result import Missing
from agents.run.decide import Deliberation
from agents.schemas.models import (
    Cost,
    Estimate,
    MissingFact,
    PlanData,
    PlannedFact,
    PlannedStep,
    Reason,
    SeenFact,
    Span,
)
from agents.schemas.money import AccountData

__all__ = ["missing_facts", "plan_data", "seen_facts"]


def plan_data(deliberation: Deliberation) -> PlanData:
    """The plan, the same for everybody who asks."""
    result = deliberation.result
    bound = result.lower_bound
    return PlanData(
        goal=deliberation.goal.name,
        params=deliberation.question.params.model_dump(mode="json", exclude_none=True),
        status=result.status.value,
        cost=result.cost if result else None,
        lower_bound=bound if math.isfinite(bound) else None,
        seconds=result.seconds,
        usd=_usd(deliberation),
        estimate=_estimate(deliberation),
        money=[AccountData(**asdict(each)) for each in deliberation.money],
        approval=sorted({*deliberation.asking, *deliberation.unpriced}),
        digest=deliberation.digest,
        facts=_facts(deliberation),
        steps=[_step(deliberation, step) for step in result.steps],
        critical_path=list(result.critical_path),
        missing=missing_facts(deliberation),
    )


def missing_facts(deliberation: Deliberation) -> list[MissingFact]:
    """The facts that nothing can make true."""
    return [_missing(deliberation, each) for each in deliberation.result.missing]


def seen_facts(readings: dict[str, Reading]) -> list[SeenFact]:
    """Facts as they were observed."""
    return [
        SeenFact(name=fact, value=json_value(each.value), evidence=each.evidence)
        for fact, each in readings.items()
    ]


def _missing(deliberation: Deliberation, missing: Missing) -> MissingFact:
    reading = deliberation.world.readings.get(missing.fact)
    return MissingFact(
        fact=missing.fact,
        value=json_value(missing.value),
        needed_by=list(missing.needed_by),
        evidence="never seen" if reading is None else reading.evidence,
    )


def _facts(deliberation: Deliberation) -> list[PlannedFact]:
    """In the order in which the world declares them; what the goal wants comes last."""
    will_be = deliberation.will_be()
    wanted = {condition.fact for condition in deliberation.question.wants}
    readings = sorted(deliberation.world.readings.items(), key=lambda item: item[0] in wanted)
    paid = {
        fact
        for step in deliberation.result.steps
        if deliberation.grounded[step.action].price != 0
        for fact, _ in step.effect
    }
    rows = []
    for fact, reading in readings:
        sign: Literal["+", "=", "$", "?", "-"] = "="
        if fact in will_be and will_be[fact] is not False:
            sign = "$" if fact in paid else "+"
        elif reading.value is UNKNOWN:
            sign = "?"
        elif reading.value is False:
            sign = "-"
        rows.append(
            PlannedFact(
                name=fact,
                sign=sign,
                value=json_value(reading.value),
                evidence=reading.evidence,
                will_be=json_value(will_be.get(fact, reading.value)),
            )
        )
    return rows


def _usd(deliberation: Deliberation) -> float | None:
    """Dollars of the whole plan; None when the price of a step is not known."""
    priced = all(each.price is not None for each in deliberation.actions())
    return deliberation.result.usd if priced else None


def _estimate(deliberation: Deliberation) -> Estimate:
    """Low, expected and high, from rates and history; dollars are None where a rate is missing."""
    whole = total(deliberation.actions())
    return Estimate(
        seconds=Span(**whole.seconds._asdict()),
        usd=None if whole.usd is None else Span(**whole.usd._asdict()),
        measured_steps=whole.measured,
        error=whole.error,
    )


def _step(deliberation: Deliberation, step: Step) -> PlannedStep:
    grounded = deliberation.grounded[step.action]
    return PlannedStep(
        id=step.id,
        action=step.action,
        params={},
        stage=step.stage,
        after=list(step.after),
        needs=[str(Condition(*pair)) for pair in grounded.needs],
        effect=[str(Condition(*pair)) for pair in grounded.effect],
        cost=Cost(seconds=step.seconds, usd=step.usd if grounded.priced else None),
        why=[Reason.model_validate({"fact": fact, "for": to}) for fact, to in step.why],
    )
