"""From events to evidence: the only reader of the ledger among the records.

Everything here is a pure function of events that come before the last training or decision of
their run, so that the step that writes the records, and runs that train nothing, change nothing.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.errors import ActionFailed, FailureClass
from agents.events import Event
from agents.outcome import Decision, Outcome
from agents.records.evidence import (
    DecisionRecord,
    Evidence,
    FileEvidence,
    Number,
    RunFacts,
    Source,
    Verdict,
)

__all__ = [
    "RECORDING_ACTIONS",
    "Finished",
    "RunLog",
    "decision_digest",
    "decisions",
    "normalised",
    "run_logs",
    "something_to_record",
    "trainings",
]

RECORDING_ACTIONS = frozenset({"update_docs"})
"""Actions that write records; what they do is never evidence."""

TRAINING_FACTS = ("config_digest", "dataset_digest", "source_digest", "device", "started", "ended")
"""What the provenance of a training must hold besides its ``training_key``."""


_Model = TypeVar("_Model", bound=BaseModel)


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Git(_Payload):
    commit: str
    dirty: bool
    branch: str = ""


class _RunStarted(_Payload):
    goal: str
    params: dict[str, Any]
    git: _Git | None = None
    version: str


class _StepFinished(_Payload):
    step: str
    action: str
    seconds: float
    outcome: Outcome


class _StepFailed(_Payload):
    step: str
    action: str
    name: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Finished:
    """A step that finished."""

    event: Event
    step: str
    action: str
    seconds: float
    outcome: Outcome

    @property
    def training_key(self) -> str:
        """Identity of the training the step belongs to; empty when it belongs to none."""
        return self.outcome.provenance.get("training_key", "")

    @property
    def trained(self) -> bool:
        """Whether the step measured a training, rather than handled one that was measured."""
        return bool(self.training_key) and any(
            self.outcome.provenance.get(f) for f in TRAINING_FACTS
        )

    @property
    def identity(self) -> str:
        """Which training, or which event, this is: one training has one end."""
        if not self.trained:
            return self.event.id
        return f"{self.training_key} {self.outcome.provenance.get('ended', '')}"


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


@dataclass
class RunLog:
    """The events of one run that records are made of, oldest first."""

    facts: RunFacts
    finished: list[Finished] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    plans: list[Event] = field(default_factory=list)

    @property
    def trained(self) -> bool:
        """Whether anything was trained in this run."""
        return any(step.trained for step in self.finished)

    @property
    def recorded(self) -> bool:
        """Whether there is anything to record: a training, or a decision."""
        return self.trained or any(step.outcome.decision for step in self.finished)


def something_to_record(events: Iterable[Event]) -> bool:
    """Whether any event holds a training or a decision; cheap enough to ask before planning."""
    for event in events:
        if event.type == "step.finished" and event.data.get("action") not in RECORDING_ACTIONS:
            outcome = event.data.get("outcome") or {}
            if outcome.get("decision") or (outcome.get("provenance") or {}).get("training_key"):
                return True
    return False


def run_logs(events: Iterable[Event]) -> list[RunLog]:
    """The runs in which something was trained or decided, in the order they started.

    Raises:
        ActionFailed: An event lacks a fact that a record needs.
    """
    by_run: dict[str, list[Event]] = {}
    for event in events:
        if event.run:
            by_run.setdefault(event.run, []).append(event)
    logs = [_run_log(run, own) for run, own in by_run.items() if something_to_record(own)]
    _drop_repetitions(logs)
    return [log for log in logs if log.recorded]


def trainings(log: RunLog) -> list[Evidence]:
    """One evidence per training key of the run, as of the last step that measured it."""
    last = {step.training_key: step for step in log.finished if step.trained}
    return [_evidence(log, step) for step in last.values()]


def decisions(logs: Iterable[RunLog]) -> list[DecisionRecord]:
    """The decisions, in the order they were made.

    A decision is made by an outcome whose gates pass. Later outcomes with the same key add
    evidence, passing or not, as long as they decide the same; one that passes and decides
    otherwise makes a new decision.
    """
    made: list[tuple[str, Decision, list[Evidence]]] = []
    current: dict[str, int] = {}
    for decision, evidence in _deciding(logs):
        place = current.get(decision.key)
        if place is not None and decision_digest(made[place][1]) == decision_digest(decision):
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
    """A run that only saw again what an earlier run had trained did not train it."""
    run_of: dict[str, str] = {}
    for log in logs:
        for step in log.finished:
            run_of.setdefault(step.identity, log.facts.id)
        log.finished = [step for step in log.finished if run_of[step.identity] == log.facts.id]


def _short_digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _deciding(logs: Iterable[RunLog]) -> list[tuple[Decision, Evidence]]:
    pairs = [
        (step.outcome.decision, _evidence(log, step))
        for log in logs
        for step in log.finished
        if step.outcome.decision is not None
    ]
    return sorted(pairs, key=lambda pair: pair[1].source.sequence)


def _run_log(run: str, events: list[Event]) -> RunLog:
    started = next((event for event in events if event.type == "run.started"), None)
    if started is None:
        raise _missing(f"run {run} has no event run.started")
    log = RunLog(_run_facts(run, started))
    for event in events:
        if event.data.get("action") in RECORDING_ACTIONS:
            continue
        if event.type == "step.finished":
            log.finished.append(_finished(event))
        elif event.type == "step.failed":
            log.failed.append(_failed(event))
        elif event.type == "plan.made":
            log.plans.append(event)
    return log


def _run_facts(run: str, event: Event) -> RunFacts:
    payload = _read(_RunStarted, event, event.data)
    git = payload.git
    return RunFacts(
        id=run,
        goal=payload.goal,
        params=tuple(sorted((k, _plain(v)) for k, v in payload.params.items() if v is not None)),
        version=payload.version,
        commit=git.commit if git else "",
        dirty=git.dirty if git else False,
        branch=git.branch if git else "",
        started=event.time,
    )


def _finished(event: Event) -> Finished:
    payload = _read(_StepFinished, event, event.data)
    return Finished(event, payload.step, payload.action, payload.seconds, payload.outcome)


def _failed(event: Event) -> Failed:
    payload = _read(_StepFailed, event, event.data)
    failure_class = str(event.data.get("class", FailureClass.UNKNOWN))
    return Failed(
        event,
        payload.step,
        payload.action,
        failure_class,
        payload.name,
        payload.message,
        payload.fix,
    )


def _evidence(log: RunLog, step: Finished) -> Evidence:
    """What the run had measured for the training of ``step`` when ``step`` finished."""
    steps = [
        other
        for other in log.finished
        if other.event.sequence < step.event.sequence
        and step.training_key
        and other.training_key == step.training_key
    ]
    steps.append(step)
    provenance: dict[str, str] = {}
    for each in steps:
        provenance.update(each.outcome.provenance)
    _require_provenance(step, provenance)
    return Evidence(
        run=log.facts,
        source=_source(step),
        at=step.event.time,
        action=step.action,
        seconds=step.seconds,
        summary=step.outcome.summary,
        numbers=_unique(number for each in steps for number in numbers_of(each)),
        verdicts=_unique(verdict for each in steps for verdict in _verdicts(each)),
        files=_unique(file for each in steps for file in _files(each)),
        provenance=tuple(sorted((name, value) for name, value in provenance.items() if value)),
    )


def _require_provenance(step: Finished, provenance: Mapping[str, str]) -> None:
    if not step.training_key:
        return
    missing = [name for name in TRAINING_FACTS if not provenance.get(name)]
    if missing:
        raise _missing(
            f"the outcome of {step.action} in run {step.event.run} (event {step.event.sequence}) "
            f"says no {', '.join(missing)} in its provenance"
        )


def _source(step: Finished, measured_in: str = "") -> Source:
    file = measured_in.partition("#")[0]
    digests = {artifact.path: artifact.sha256 for artifact in step.outcome.artifacts}
    return Source(
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


def _verdicts(step: Finished) -> Iterator[Verdict]:
    for gate in step.outcome.gates:
        yield Verdict(
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


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _read(model: type[_Model], event: Event, data: dict[str, Any]) -> _Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _missing(
            f"event {event.sequence} ({event.type}) of run {event.run}: {where}: {first['msg']}"
        ) from error


def _missing(message: str) -> ActionFailed:
    return ActionFailed(
        f"a record cannot be written: {message}",
        fix="the action must put this fact into its outcome; a record never guesses",
        failure_class=FailureClass.PERMANENT,
        name="fact_missing",
    )
