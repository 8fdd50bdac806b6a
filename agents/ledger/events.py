"""Events: the lines of the ledger, in a CloudEvents 1.0 envelope.

What each type says is in `agents.ledger.payloads`. A run writes ``run.started``, then
``facts.observed`` and ``plan.made``, then for each step ``step.started``, ``step.noted``,
``step.finished`` and ``step.verified`` or ``step.failed``, with ``money.reserved`` and
``money.settled`` around what costs money, and in the end ``run.finished``.

Each event carries a hash over itself and the hash of the event before it, so that nobody can
change, remove or insert a line unseen.

Source: CloudEvents 1.0.2, https://github.com/cloudevents/spec.
"""

import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from agents.ledger.payloads import Payload, payload_of

__all__ = [
    "Event",
    "new_event",
    "new_id",
    "of_kind",
    "steady_clock",
    "timestamp",
    "utc_now",
]

P = TypeVar("P", bound=Payload)


class Event(BaseModel):
    """One immutable line of the ledger; (source, id) is its identity.

    ``data`` is the JSON that is stored; ``payload`` is what it says, and what readers use.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    source: str
    type: str
    time: str
    subject: str = ""
    run: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    sequence: int = 0
    hash: str = ""

    @cached_property
    def payload(self) -> Payload:
        """What the event says, by its type; parsed at the first look.

        Raises:
            LedgerDamaged: An event of the engine does not say what its type has to say.
        """
        return payload_of(self.type, self.data, f"event {self.sequence}")

    def attributes(self) -> dict[str, Any]:
        """The values a trigger may ask for: those of the payload, and what the event is about."""
        fields = self.data.get("fields")
        inner = fields if isinstance(fields, dict) else {}
        return {**inner, "subject": self.subject, "goal": self.subject, **self.data}

    def envelope(self) -> dict[str, Any]:
        """The event as a CloudEvents 1.0 JSON object; run, sequence and hash are extensions."""
        document: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": self.time,
            "datacontenttype": "application/json",
            "data": self.data,
            "sequence": f"{self.sequence:010d}",
        }
        optional = {"subject": self.subject, "run": self.run, "hash": self.hash}
        return document | {name: value for name, value in optional.items() if value}


def utc_now() -> datetime:
    """The current time in UTC; the default clock everywhere a clock is a parameter."""
    return datetime.now(UTC)


def steady_clock() -> Callable[[], datetime]:
    """A clock that starts with the current time in UTC and that nobody sets while it runs.

    Between two of its answers lies the time that passed, with that which the machine slept.
    """
    start, began = utc_now(), _passed()
    return lambda: start + timedelta(seconds=_passed() - began)


def _passed() -> float:
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def timestamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds: ``2026-02-28T12:45:30.120Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """A fresh event id."""
    return uuid.uuid4().hex


def of_kind(events: Iterable[Event], kind: type[P]) -> Iterator[tuple[Event, P]]:
    """The events of one type, each with its payload."""
    for event in events:
        if event.type == kind.kind and isinstance(event.payload, kind):
            yield event, event.payload


def new_event(
    payload: Payload,
    *,
    run: str = "",
    subject: str = "",
    source: str = "agents",
    clock: Callable[[], datetime] = utc_now,
    id: str | None = None,  # noqa: A002 - the word of the CloudEvents specification
) -> Event:
    """An event of now that says this and is not in the ledger yet (``sequence`` 0)."""
    return Event(
        id=id or new_id(),
        source=f"{source}/{run}" if run else source,
        type=payload.type,
        time=timestamp(clock()),
        subject=subject,
        run=run,
        data=payload.to_json(),
    )
