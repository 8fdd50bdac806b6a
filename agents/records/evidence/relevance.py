"""Whether there is anything to record at all; asked before every plan, so it imports little."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from agents.ledger.payloads import OfStep, StepFinished, StepNoted

if TYPE_CHECKING:
    from agents.declare.contributions import Subject
    from agents.ledger.events import Event

__all__ = [
    "call_of",
    "recording",
    "something_to_record",
]


def something_to_record(events: "Iterable[Event]", subject: "Subject") -> bool:
    """Whether anything was measured or decided; cheap enough to ask before planning."""
    for event in events:
        if event.type != StepFinished.kind or not isinstance(event.payload, StepFinished):
            continue
        outcome, action = event.payload.outcome, event.payload.action
        if action not in subject.recorders and (
            outcome.decision is not None or subject.identity(outcome.provenance)
        ):
            return True
    return False


def recording(event: "Event", subject: "Subject") -> bool:
    """Whether this is of a step that writes records; what it does is never evidence."""
    return isinstance(event.payload, OfStep) and event.payload.action in subject.recorders


def call_of(note: StepNoted, subject: "Subject") -> str:
    """The platform's name of what a step launched; empty where the note is about something else."""
    return str(note.about.get(subject.call) or "") if subject.call else ""
