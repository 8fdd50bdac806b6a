"""The runs of a ledger, typed: the only reader of events among the records.

Everything here is a pure function of events that come before the last measurement or decision of
their run, so that the step that writes the records, and runs that measure nothing, change nothing.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.declare.contributions import Subject
from agents.declare.outcome import Outcome
from agents.errors import ActionFailed, Permanent
from agents.ledger.events import Event, of_kind
from agents.ledger.history import by_run
from agents.ledger.payloads import (
    MoneySettled,
    PlanMade,
    RunStarted,
    StepFailed,
    StepFinished,
    StepNoted,
)
from agents.records.evidence.models import RunFacts
from agents.records.evidence.relevance import (
    call_of,
    recording,
    something_to_record,
)

__all__ = [
    "Failed",
    "Finished",
    "Paid",
    "RunLog",
    "fact_missing",
    "normalised",
    "run_logs",
]


@dataclass(frozen=True)
class Finished:
    """A step that finished."""

    event: Event
    step: str
    action: str
    seconds: float
    outcome: Outcome
    subject: Subject

    @property
    def about(self) -> str:
        """Identity of what the step is about; empty when that is nothing but itself."""
        return self.subject.identity(self.outcome.provenance)

    @property
    def measured(self) -> bool:
        """Whether the step measured what it is about, rather than handled it afterwards."""
        return self.subject.measured(self.outcome.provenance)

    @property
    def identity(self) -> str:
        """What is recorded once: a thing and the end of its measuring, else the event itself."""
        if not self.measured:
            return self.event.id
        return f"{self.about} {self.outcome.provenance.get(self.subject.ended, '')}"


@dataclass(frozen=True)
class Failed:
    """A step that failed."""

    event: Event
    step: str
    action: str
    failure_class: str
    name: str
    message: str
    fix: str


@dataclass(frozen=True)
class Planned:
    """A plan that was made."""

    event: Event
    plan: PlanMade


@dataclass(frozen=True)
class Paid:
    """What a step cost, and where the rate was read."""

    event: Event
    step: str
    usd: float
    rate: str


@dataclass
class RunLog:
    """The events of one run that records are made of, oldest first.

    Attributes:
        subject: What outcomes measure.
        calls: Launches of any run so far: place, identity of what was launched, the platform's
            name of the call.
    """

    facts: RunFacts
    subject: Subject
    finished: list[Finished] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    plans: list[Planned] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)
    calls: list[tuple[int, str, str]] = field(default_factory=list)

    def cost_of(self, step: Finished) -> Paid | None:
        """What was settled for a step when it had ended; None where it was free or not settled."""
        later = (
            each
            for each in self.paid
            if each.step == step.step and each.event.sequence > step.event.sequence
        )
        return next(later, None)

    def call_of(self, step: Finished) -> str:
        """The platform's name of the call that did it; empty where there is no platform."""
        return next(
            (
                call
                for place, key, call in reversed(self.calls)
                if key == step.about and place < step.event.sequence
            ),
            "",
        )

    @property
    def measured(self) -> bool:
        """Whether anything was measured in this run."""
        return any(step.measured for step in self.finished)

    @property
    def recorded(self) -> bool:
        """Whether there is anything to record: a measurement, or a decision."""
        return self.measured or any(step.outcome.decision for step in self.finished)


def run_logs(events: Sequence[Event], subject: Subject) -> list[RunLog]:
    """The runs in which something was measured or decided, in the order they started.

    Raises:
        ActionFailed: An event lacks a fact that a record needs.
    """
    calls: list[tuple[int, str, str]] = []
    for event, noted in of_kind(events, StepNoted):
        call = call_of(noted, subject)
        if call:
            calls.append((event.sequence, str(noted.about.get(subject.word, "")), call))
    logs = [
        _run_log(run, own, calls, subject)
        for run, own in by_run(events).items()
        if something_to_record(own, subject)
    ]
    _drop_repetitions(logs)
    return [log for log in logs if log.recorded]


def normalised(message: str) -> str:
    """``message`` without what differs from one time to the next: numbers, digests, paths.

    >>> normalised("No space on /tmp/x1: 3.2 of 10 GB left (key ab12cd34ef)")
    'no space on <path> # of # gb left (key #)'
    """
    flat = " ".join(message.lower().split())
    flat = re.sub(r"(?:[a-z]:)?(?:[\\/][^\s\\/'\",;()]+)+", "<path>", flat)
    flat = re.sub(r"0x[0-9a-f]+|\b(?=[a-f]*\d)[0-9a-f]{8,}\b", "#", flat)
    return re.sub(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", "#", flat)


def _drop_repetitions(logs: list[RunLog]) -> None:
    """Leave a measurement to the run that made it: later runs only saw it again."""
    run_of: dict[str, str] = {}
    for log in logs:
        for step in log.finished:
            run_of.setdefault(step.identity, log.facts.id)
        log.finished = [step for step in log.finished if run_of[step.identity] == log.facts.id]


def _run_log(
    run: str, events: list[Event], calls: list[tuple[int, str, str]], subject: Subject
) -> RunLog:
    begun = next(of_kind(events, RunStarted), None)
    if begun is None:
        raise fact_missing(f"run {run} has no event {RunStarted.kind}")
    log = RunLog(_run_facts(run, *begun, subject), subject, calls=calls)
    for event in events:
        if recording(event, subject):
            continue
        match event.payload:
            case StepFinished(step=step, action=action, seconds=seconds, outcome=outcome):
                log.finished.append(Finished(event, step, action, seconds, outcome, subject))
            case StepFailed() as failed:
                log.failed.append(_failed(event, failed))
            case PlanMade() as plan:
                log.plans.append(Planned(event, plan))
            case MoneySettled(step=step, usd=float(usd), rate=rate):
                log.paid.append(Paid(event, step, usd, rate))
    return log


def _run_facts(run: str, event: Event, started: RunStarted, subject: Subject) -> RunFacts:
    git = started.provenance.git
    return RunFacts(
        id=run,
        goal=started.goal,
        params=tuple(
            sorted(
                (name, _plain(value))
                for name, value in started.told.items()
                if value is not None and name not in subject.places
            )
        ),
        version=started.version,
        commit=git.commit if git else "",
        dirty=git.dirty if git else False,
        branch=git.branch if git else "",
        started=event.time,
    )


def _failed(event: Event, failed: StepFailed) -> Failed:
    return Failed(
        event,
        failed.step,
        failed.action,
        failed.failure_class,
        failed.name,
        failed.message,
        failed.fix,
    )


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def fact_missing(message: str) -> ActionFailed:
    """The error for a fact that a record needs and no event holds."""
    return Permanent(
        f"a record cannot be written: {message}",
        fix="the action must put this fact into its outcome; a record never guesses",
        name="fact_missing",
    )
