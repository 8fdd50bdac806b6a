"""The source of ``schedule.due``: a schedule that was due while nobody looked is due once."""

from datetime import datetime

from agents.declare.schedule import Schedule
from agents.declare.triggers import DUE
from agents.ledger.events import Event, new_event, timestamp
from agents.ledger.store import Ledger
from agents.watching.source import last_event

__all__ = ["ScheduleSource"]

SOURCE = "schedule"
SEEN = "schedule.seen"


class ScheduleSource:
    """One schedule.

    Args:
        schedule: When it is due. It counts from when it is first polled.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._last: str | None = None

    @property
    def source(self) -> str:
        """The identity of all schedules in the ledger."""
        return SOURCE

    def poll(self, ledger: Ledger, now: datetime) -> None:
        """Append the last moment it was due, unless the ledger has it."""
        due, text = timestamp(self.schedule.latest(now)), self.schedule.text
        if self._last is None:
            known = last_event(ledger, (DUE, SEEN), self.source, text)
            if known is None:
                ledger.append(self._event(SEEN, due, now))
            self._last = str(known.data["due"]) if known is not None else due
        # a last moment that is still to come was written by a clock that has been set back since
        if due > self._last or self._last > timestamp(now):
            ledger.receive(self._event(DUE, due, now))
            self._last = due

    def waiting(self, now: datetime) -> str:
        """When it is due next."""
        return f"{self.schedule.text}: next {self.schedule.following(now):%Y-%m-%d %H:%M:%S} UTC"

    def close(self) -> None:
        """Nothing runs beside."""

    def _event(self, type_: str, due: str, now: datetime) -> Event:
        text = self.schedule.text
        return new_event(
            type_,
            {"due": due},
            source=self.source,
            subject=text,
            id=f"{type_} {text} {due}",
            clock=lambda: now,
        )
