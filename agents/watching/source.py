"""What a source of events is."""

from datetime import datetime
from typing import Protocol

from agents.ledger.events import Event
from agents.ledger.store import Ledger

__all__ = ["Source", "last_event"]


class Source(Protocol):
    """Looks at something outside and writes what changed to the ledger.

    What it saw last is itself an event, so that a source that was not running catches up, and two
    that run at once write the same event, which the ledger keeps once.
    """

    @property
    def source(self) -> str:
        """Its identity in the ledger."""

    def poll(self, ledger: Ledger, now: datetime) -> None:
        """Append what happened since the last event of this source."""

    def waiting(self, now: datetime) -> str:
        """What it waits for, for a person."""

    def close(self) -> None:
        """Stop whatever runs beside; closing twice is fine."""


def last_event(ledger: Ledger, types: tuple[str, ...], source: str, subject: str) -> Event | None:
    """The newest event of this source and subject."""
    found = [
        event
        for event in ledger.events(types=types)
        if event.source == source and event.subject == subject
    ]
    return found[-1] if found else None
