"""From the log of a run to evidence: measurements and decisions, each number with its source."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agents.declare.outcome import Decision, Ranking
from agents.records.evidence.mitigations import mitigations
from agents.records.evidence.models import (
    Citation,
    CitedVerdict,
    DecisionRecord,
    Evidence,
    FileEvidence,
    Number,
)
from agents.records.evidence.run_log import Finished, Paid, RunLog, fact_missing

__all__ = [
    "decision_digest",
    "decisions",
    "measurements",
    "numbers_of",
    "ranked_value",
    "verdicts_of",
]


def measurements(log: RunLog) -> list[Evidence]:
    """One evidence per thing the run measured, as of the last step that measured it."""
    last = {step.about: step for step in log.finished if step.measured}
    return [_evidence(log, step) for step in last.values()]


def decisions(logs: Iterable[RunLog]) -> list[DecisionRecord]:
    """The decisions, in the order they were made.

    A decision is made by an outcome whose gates pass, or by a failure that was mitigated. Later
    outcomes with the same key add evidence, passing or not, as long as they decide the same; one
    that passes and decides otherwise makes a new decision, unless it is ranked and not better.
    """
    made: list[tuple[str, Decision, list[Evidence]]] = []
    current: dict[str, int] = {}
    for decision, evidence in _deciding(logs):
        place = current.get(decision.key)
        if place is not None and _supports(decision, evidence, made[place][1], made[place][2][0]):
            made[place][2].append(evidence)
        elif evidence.passed:
            current[decision.key] = len(made)
            made.append((decision.key, decision, [evidence]))
    return [
        DecisionRecord(
            key=key, decision=decision, digest=decision_digest(decision), evidence=tuple(evidence)
        )
        for key, decision, evidence in made
    ]


def decision_digest(decision: Decision) -> str:
    """What was decided, as a digest: another sentence is another decision."""
    return _short_digest(" ".join(decision.decision.split()))


def _short_digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def ranked_value(ranking: Ranking | None, evidence: Evidence) -> float | None:
    """The value a choice is ranked by; None where it was not measured."""
    if ranking is None:
        return None
    values = (each.value for each in evidence.numbers if each.name == ranking.measurement)
    return next(values, None)


def _supports(
    decision: Decision, evidence: Evidence, standing: Decision, opening: Evidence
) -> bool:
    """Whether evidence speaks for the decision that stands rather than for another one."""
    if decision_digest(standing) == decision_digest(decision):
        return True
    ranking = decision.ranking
    mine, best = ranked_value(ranking, evidence), ranked_value(ranking, opening)
    comparable = ranking == standing.ranking and evidence.compared_by == opening.compared_by
    if ranking is None or mine is None or best is None or not comparable or not evidence.passed:
        return False
    return mine >= best if ranking.best == "lowest" else mine <= best


def _deciding(logs: Iterable[RunLog]) -> list[tuple[Decision, Evidence]]:
    pairs = []
    for log in logs:
        pairs += [
            (step.outcome.decision, _evidence(log, step))
            for step in log.finished
            if step.outcome.decision is not None
        ]
        pairs += [
            (
                each.decision,
                _evidence(log, each.success).model_copy(update={"summary": each.summary}),
            )
            for each in mitigations(log)
        ]
    return sorted(pairs, key=lambda pair: pair[1].source.sequence)


def _evidence(log: RunLog, step: Finished) -> Evidence:
    """All the run had measured, until ``step`` finished, of the thing ``step`` is about."""
    steps = [
        other
        for other in log.finished
        if other.event.sequence < step.event.sequence and step.about and other.about == step.about
    ]
    steps.append(step)
    provenance: dict[str, str] = {}
    for each in steps:
        provenance.update(each.outcome.provenance)
    _require_provenance(step, provenance)
    paid = log.cost_of(step)
    provenance |= {
        log.subject.call: log.call_of(step),
        "rate": paid.rate if paid is not None else "",
    }
    cost = (_cost(paid),) if paid is not None else ()
    return Evidence(
        run=log.facts,
        about=log.subject.identity(provenance),
        compared_by=provenance.get(log.subject.comparable, ""),
        source=_source(step),
        at=step.event.time,
        action=step.action,
        seconds=step.seconds,
        summary=step.outcome.summary,
        numbers=(*_unique(number for each in steps for number in numbers_of(each)), *cost),
        verdicts=_unique(verdict for each in steps for verdict in verdicts_of(each)),
        files=_unique(file for each in steps for file in _files(each)),
        provenance=tuple(sorted((name, value) for name, value in provenance.items() if value)),
    )


def _require_provenance(step: Finished, provenance: Mapping[str, str]) -> None:
    if not (step.measured or (step.about and step.outcome.decision)):
        return
    missing = [name for name in step.subject.required if not provenance.get(name)]
    if missing:
        raise fact_missing(
            f"the outcome of {step.action} in run {step.event.run} (event {step.event.sequence}) "
            f"says no {', '.join(missing)} in its provenance"
        )


def _cost(paid: Paid) -> Number:
    event = paid.event
    source = Citation(run=event.run, event=event.id, sequence=event.sequence)
    return Number(name="cost", value=paid.usd, unit="USD", source=source)


def _source(step: Finished, measured_in: str = "") -> Citation:
    file = measured_in.partition("#")[0]
    digests = {artifact.path: artifact.sha256 for artifact in step.outcome.artifacts}
    return Citation(
        run=step.event.run,
        event=step.event.id,
        sequence=step.event.sequence,
        file=measured_in,
        sha256=digests.get(file, ""),
    )


def numbers_of(step: Finished) -> Iterator[Number]:
    """The measurements of one step, each with its source."""
    for measured in step.outcome.measurements:
        yield Number(
            name=measured.name,
            value=measured.value,
            unit=measured.unit,
            source=_source(step, measured.source),
        )


def verdicts_of(step: Finished) -> Iterator[CitedVerdict]:
    """The gates of one step, each with its source."""
    for gate in step.outcome.gates:
        yield CitedVerdict(
            name=gate.name,
            metric=gate.metric,
            threshold=gate.threshold,
            direction=gate.direction,
            value=gate.value,
            source=_source(step),
        )


def _files(step: Finished) -> Iterator[FileEvidence]:
    for artifact in step.outcome.artifacts:
        yield FileEvidence(**artifact.model_dump(), source=_source(step))


def _unique(items: Iterable[Any]) -> tuple[Any, ...]:
    """Items without those that say the same as an earlier one, whichever step said it."""
    seen: dict[str, Any] = {}
    for item in items:
        content = item.model_dump(mode="json", exclude={"source": {"event", "sequence"}})
        seen.setdefault(json.dumps(content, sort_keys=True), item)
    return tuple(seen.values())
