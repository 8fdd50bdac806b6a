"""What failures that were got past, and outcomes with a lesson, taught."""

import hashlib
from collections.abc import Iterable, Iterator

from agents.ledger.events import Event
from agents.records.evidence.measured import numbers_of, verdicts_of
from agents.records.evidence.mitigations import mitigation_key
from agents.records.evidence.models import Citation, Learning, Occurrence, StepTaken
from agents.records.evidence.recovery import got_past
from agents.records.evidence.run_log import Finished, RunLog, normalised

__all__ = ["learnings"]


def learnings(logs: Iterable[RunLog]) -> list[Learning]:
    """The learnings, in the order they were first seen; a repetition only adds an occurrence."""
    seen = [learning for log in logs for learning in (*_got_past(log), *_taught(log))]
    merged: dict[str, Learning] = {}
    for learning in sorted(seen, key=lambda each: each.opening.sequence):
        merged_before = merged.get(learning.fingerprint)
        if merged_before is None:
            merged[learning.fingerprint] = learning
        else:
            both = (*merged_before.occurrences, *learning.occurrences)
            merged[learning.fingerprint] = merged_before.model_copy(update={"occurrences": both})
    return list(merged.values())


def _got_past(log: RunLog) -> Iterator[Learning]:
    """Failures after which the same action finished in the same run."""
    for past in got_past(log):
        failure = past.failure
        yield Learning(
            fingerprint=_fingerprint(
                failure.action, failure.failure_class, normalised(failure.message)
            ),
            kind="failure",
            title=f"{failure.action} failed: {failure.name.replace('_', ' ')}",
            action=failure.action,
            failure_class=failure.failure_class,
            failure_name=failure.name,
            message=failure.message,
            advice=failure.fix,
            between=tuple(_taken(step) for step in past.between),
            success=_taken(past.success),
            decision_key=mitigation_key(failure) if past.added else "",
            occurrences=(_occurrence(failure.event),),
        )


def _taught(log: RunLog) -> Iterator[Learning]:
    """Outcomes that say what a person should remember."""
    for step in log.finished:
        outcome = step.outcome
        if not outcome.lesson:
            continue
        key = outcome.decision.key if outcome.decision else ""
        yield Learning(
            fingerprint=_fingerprint(step.action, key or normalised(outcome.summary)),
            kind="lesson",
            title=_first_sentence(outcome.lesson),
            action=step.action,
            lesson=outcome.lesson,
            decision_key=key,
            area=log.subject.word,
            success=_taken(step),
            summary=outcome.summary,
            numbers=tuple(numbers_of(step)),
            verdicts=tuple(verdicts_of(step)),
            occurrences=(_occurrence(step.event),),
        )


def _taken(step: Finished) -> StepTaken:
    event = step.event
    source = Citation(run=event.run, event=event.id, sequence=event.sequence)
    return StepTaken(action=step.action, seconds=step.seconds, source=source, at=event.time)


def _occurrence(event: Event) -> Occurrence:
    return Occurrence(run=event.run, event=event.id, sequence=event.sequence, at=event.time)


def _first_sentence(text: str) -> str:
    sentence = " ".join(text.split()).split(". ")[0].rstrip(".")
    return sentence if len(sentence) <= 90 else f"{sentence[:89].rstrip()}…"


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
