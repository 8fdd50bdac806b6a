"""What a source of events is."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from agents.declare.triggers import Trigger
from agents.ledger.payloads import Payload
from agents.ledger.projections.places import newest_of
from agents.ledger.store import Ledger

__all__ = ["Opener", "Place", "Source", "last_event"]

P = TypeVar("P", bound=Payload)


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


@dataclass(frozen=True)
class Place:
    """Where a trigger is watched.

    Attributes:
        root: The folder of its files, and of its repository.
        wake: Called from another thread when something may have happened; None: only polled.
    """

    root: Path
    wake: Callable[[], object] | None = None


class Opener(Protocol):
    """A class of sources, which says itself what it serves."""

    def serves(self, trigger: Trigger, place: Place) -> Hashable | None:
        """What it would look at for this trigger; None when others serve it."""

    def open(self, trigger: Trigger, place: Place) -> Source:
        """A source for a trigger that it serves.

        Raises:
            UsageError: There is nothing to look at.
        """


def last_event(ledger: Ledger, kinds: tuple[type[P], ...], source: str, subject: str) -> P | None:
    """What the newest event of this source and subject says, of one of these kinds."""
    event = newest_of(ledger, source, subject, [kind.kind for kind in kinds])
    payload = event.payload if event is not None else None
    return payload if isinstance(payload, kinds) else None
