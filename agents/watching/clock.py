"""The source of ``schedule.due``: a schedule that was due while nobody looked is due once."""

from datetime import datetime
from typing import Self

from agents.declare.schedule import Schedule
from agents.declare.triggers import Trigger
from agents.ledger.events import Event, new_event, timestamp
from agents.ledger.payloads import ScheduleDue, ScheduleSeen
from agents.ledger.store import Ledger
from agents.watching.source import Place, last_event

__all__ = ["ScheduleSource"]

SOURCE = "schedule"


class ScheduleSource:
    """One schedule.

    Args:
        schedule: When it is due. It counts from when it is first polled.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._last: str | None = None

    @staticmethod
    def serves(trigger: Trigger, place: Place) -> str | None:  # noqa: ARG004 - time is everywhere
        """The schedule, whatever the place."""
        return trigger.schedule.text if trigger.schedule is not None else None

    @classmethod
    def open(cls, trigger: Trigger, place: Place) -> Self:  # noqa: ARG003 - time is everywhere
        """The source of the trigger's schedule."""
        assert trigger.schedule is not None  # noqa: S101 - it serves this trigger
        return cls(trigger.schedule)

    @property
    def source(self) -> str:
        """The identity of all schedules in the ledger."""
        return SOURCE

    def poll(self, ledger: Ledger, now: datetime) -> None:
        """Append the last moment it was due, unless the ledger has it."""
        due, text = timestamp(self.schedule.latest(now)), self.schedule.text
        if self._last is None:
            last = last_event(ledger, (ScheduleDue, ScheduleSeen), self.source, text)
            if last is None:
                ledger.append(self._event(ScheduleSeen(due=due), now))
            self._last = last.due if last is not None else due
        # a last moment that is still to come was written by a clock that has been set back since
        if due > self._last or self._last > timestamp(now):
            ledger.receive(self._event(ScheduleDue(due=due), now))
            self._last = due

    def waiting(self, now: datetime) -> str:
        """When it is due next."""
        following = self.schedule.following(now).astimezone(self.schedule.zone)
        return f"{self.schedule.text}: next {following:%Y-%m-%d %H:%M:%S %Z}"

    def close(self) -> None:
        """Nothing runs beside."""

    def _event(self, seen: ScheduleSeen, now: datetime) -> Event:
        text = self.schedule.text
        return new_event(
            seen,
            source=self.source,
            subject=text,
            id=f"{seen.type} {text} {seen.due}",
            clock=lambda: now,
        )
