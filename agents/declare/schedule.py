"""Schedules: an interval, a time of day, or a cron line; all in UTC.

A schedule is a pure function of the clock, so it has nothing to remember: ``latest`` says when it
was last due and ``following`` when it will be due next.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from agents.errors import UsageError

__all__ = ["Cron", "Interval", "Schedule", "cron", "daily", "every"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SEARCHED_DAYS = 366 * 8
"""The 29th of February can be eight years away, around 2100."""


class Schedule(Protocol):
    """When something is due."""

    @property
    def text(self) -> str:
        """The schedule as a person wrote it; its identity in the ledger."""

    def latest(self, now: datetime) -> datetime:
        """The last moment at or before ``now`` when it was due."""

    def following(self, now: datetime) -> datetime:
        """The first moment after ``now`` when it will be due."""


@dataclass(frozen=True)
class Interval:
    """Due every so many seconds, counted from 1970: a restart does not shift it."""

    seconds: int
    text: str

    def latest(self, now: datetime) -> datetime:
        """The last multiple of the interval."""
        return now - (now - _EPOCH) % timedelta(seconds=self.seconds)

    def following(self, now: datetime) -> datetime:
        """The next multiple of the interval."""
        return self.latest(now) + timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class Cron:
    """Five fields: minute, hour, day of month, month, day of week.

    As in cron, a day is due when its day of month or its day of week fits, if both are restricted.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either_day: bool
    text: str

    def latest(self, now: datetime) -> datetime:
        """The last minute at or before ``now`` that fits."""
        return next(self._minutes(now, step=-1))

    def following(self, now: datetime) -> datetime:
        """The first minute after ``now`` that fits."""
        return next(self._minutes(now, step=1))

    def _minutes(self, now: datetime, step: int) -> Iterator[datetime]:
        today = now.astimezone(UTC).date()
        for offset in range(_SEARCHED_DAYS):
            day = today + timedelta(days=step * offset)
            if not self._fits(day):
                continue
            for hour in self.hours[::step]:
                for minute in self.minutes[::step]:
                    at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if (at <= now) if step < 0 else (at > now):
                        yield at
        raise UsageError(f"the schedule {self.text!r} is never due")

    def _fits(self, day: date) -> bool:
        of_month = day.day in self.days
        of_week = day.isoweekday() % 7 in self.weekdays
        fits = (of_month or of_week) if self.either_day else (of_month and of_week)
        return fits and day.month in self.months


def every(text: str) -> Interval:
    """An interval such as ``90s``, ``15m``, ``6h`` or ``1d``.

    Raises:
        UsageError: It is not a whole number and a unit.
    """
    found = re.fullmatch(r"([1-9]\d{0,6})([smhd])", text)
    if found is None:
        raise UsageError(f"{text!r} is not an interval", fix="write 90s, 15m, 6h or 1d")
    return Interval(int(found[1]) * _UNITS[found[2]], f"every {text}")


def daily(text: str) -> Cron:
    """A time of day in UTC, such as ``06:30``.

    Raises:
        UsageError: It is no time of day.
    """
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text)
    if found is None:
        raise UsageError(f"{text!r} is not a time of day", fix="write 06:30")
    parsed = cron(f"{int(found[2])} {int(found[1])} * * *")
    return Cron(**{**vars(parsed), "text": f"daily {text}"})


def cron(text: str) -> Cron:
    """A cron line: numbers, names, ``*``, lists, ranges and steps.

    Raises:
        UsageError: A field makes no sense, or no day ever fits.

    >>> cron("*/30 6-8 * * mon-fri").hours
    (6, 7, 8)
    """
    fields = text.split()
    if len(fields) != 5:
        raise UsageError(f"{text!r} has {len(fields)} fields; cron has 5", fix="0 6 * * mon-fri")
    weekdays = {number % 7 for number in _field(fields[4], 0, 7, _DAYS, 0)}
    parsed = Cron(
        minutes=_field(fields[0], 0, 59),
        hours=_field(fields[1], 0, 23),
        days=_field(fields[2], 1, 31),
        months=_field(fields[3], 1, 12, _MONTHS, 1),
        weekdays=tuple(sorted(weekdays)),
        either_day=not fields[2].startswith("*") and not fields[4].startswith("*"),
        text=f"cron {' '.join(fields)}",
    )
    parsed.following(datetime(2024, 1, 1, tzinfo=UTC))
    return parsed


def _field(
    text: str, least: int, most: int, names: tuple[str, ...] = (), first: int = 0
) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.lower().split(","):
        span, slash, step_text = part.partition("/")
        low_text, dash, high_text = span.partition("-")
        try:
            step = int(step_text) if slash else 1
            if span == "*":
                low, high = least, most
            else:
                low = _number(low_text, names, first)
                high = _number(high_text, names, first) if dash else (most if slash else low)
        except ValueError:
            raise UsageError(f"{part!r} is not a cron field") from None
        if not (least <= low <= high <= most and step >= 1):
            raise UsageError(f"{part!r} is outside of {least}-{most}")
        found.update(range(low, high + 1, step))
    return tuple(sorted(found))


def _number(text: str, names: tuple[str, ...], first: int) -> int:
    return names.index(text) + first if text in names else int(text)
