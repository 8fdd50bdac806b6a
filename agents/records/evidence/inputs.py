"""A digest of all that the records are made of; asked before every plan, so it renders nothing."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.declare.contributions import NOTHING, Subject
from agents.ledger.history import by_run
from agents.ledger.past import with_outcomes
from agents.ledger.payloads import (
    MoneySettled,
    PlanMade,
    RunStarted,
    StepFailed,
    StepFinished,
    StepNoted,
)
from agents.records.evidence.relevance import call_of, recording, something_to_record

if TYPE_CHECKING:
    from agents.ledger.events import Event

__all__ = ["inputs_digest"]

_QUOTED = tuple(
    model.kind
    for model in (RunStarted, PlanMade, StepFinished, StepFailed, MoneySettled, StepNoted)
)
_FILES = ("plans/*.md", "agents-docs/*.md", "agents-docs/runs/*.md")
_RECORDS = Path(__file__).resolve().parents[1]


def inputs_digest(events: "Sequence[Event]", repo: Path, *, subject: Subject = NOTHING) -> str:
    """64 hex digits over the events that records quote, the files, the templates and this code.

    The records are a pure function of these: while the digest is the one that `write_records` left
    behind, `outdated` would return nothing, and need not be asked.
    """
    digest = hashlib.sha256()
    for piece in (*_events(events, subject), *_files(repo), *_program()):
        digest.update(len(piece).to_bytes(8, "big"))
        digest.update(piece)
    return digest.hexdigest()


def _events(events: "Sequence[Event]", subject: Subject) -> Iterator[bytes]:
    for own in by_run(with_outcomes(events)).values():
        if not something_to_record(own, subject):
            continue
        for event in own:
            if event.type not in _QUOTED or recording(event, subject):
                continue
            if isinstance(event.payload, StepNoted) and not call_of(event.payload, subject):
                continue
            yield f"{event.id} {event.type} {event.time}".encode()
            yield json.dumps(event.payload.to_json(), sort_keys=True).encode()


def _files(repo: Path) -> Iterator[bytes]:
    for pattern in _FILES:
        for path in sorted(repo.glob(pattern)):
            yield path.name.encode()
            try:
                yield path.read_bytes() if path.is_file() else b""
            except OSError as error:
                yield str(error).encode()  # one that can be read by then is another input


def _program() -> Iterator[bytes]:
    templates = _RECORDS.parents[1] / "templates"
    for path in (*sorted(templates.glob("*.j2")), *sorted(_RECORDS.rglob("*.py"))):
        yield str(path.relative_to(_RECORDS.parents[1])).encode()
        yield path.read_bytes()
