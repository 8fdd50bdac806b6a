"""Schedules: an interval, a time of day, or a cron line; all in UTC.

A schedule is a pure function of the clock, so it has nothing to remember: ``latest`` says when it
was last due and ``following`` when it will be due next.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cronsim import CronSim, CronSimError

from agents.errors import UsageError

__all__ = ["Cron", "Interval", "Schedule", "cron", "daily", "every"]

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SMALLEST = timedelta(microseconds=1)
_EXAMPLE = "write five fields: 0 6 * * mon-fri"


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
        return now - (now - _BEGINNING) % timedelta(seconds=self.seconds)

    def following(self, now: datetime) -> datetime:
        """The next multiple of the interval."""
        return self.latest(now) + timedelta(seconds=self.seconds)


@dataclass(frozen=True)
class Cron:
    """Five fields: minute, hour, day of month, month, day of week.

    As in cron, a day is due when its day of month or its day of week fits, if both are restricted.
    """

    fields: str
    text: str

    def latest(self, now: datetime) -> datetime:
        """The last minute at or before ``now`` that fits."""
        # going back, it begins strictly before the moment it is given
        return next(CronSim(self.fields, now.astimezone(UTC) + _SMALLEST, reverse=True))

    def following(self, now: datetime) -> datetime:
        """The first minute after ``now`` that fits."""
        return next(CronSim(self.fields, now.astimezone(UTC)))


def every(text: str) -> Interval:
    """An interval such as ``90s``, ``15m``, ``6h`` or ``1d``.

    Raises:
        UsageError: It is not a whole number and a unit.
    """
    interval = re.fullmatch(r"([1-9]\d{0,6})([smhd])", text)
    if interval is None:
        raise UsageError(f"{text!r} is not an interval", fix="write 90s, 15m, 6h or 1d")
    return Interval(int(interval[1]) * _UNITS[interval[2]], f"every {text}")


def daily(text: str) -> Cron:
    """A time of day in UTC, such as ``06:30``.

    Raises:
        UsageError: It is no time of day.
    """
    time = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text)
    if time is None:
        raise UsageError(f"{text!r} is not a time of day", fix="write 06:30")
    return Cron(f"{int(time[2])} {int(time[1])} * * *", f"daily {text}")


def cron(text: str) -> Cron:
    """A cron line: numbers, names, ``*``, lists, ranges and steps.

    Raises:
        UsageError: A field makes no sense, or no day ever fits.

    >>> cron("*/30 6-8 * * mon-fri").text
    'cron */30 6-8 * * mon-fri'
    """
    fields = text.split()
    if len(fields) != 5:
        raise UsageError(f"{text!r} has {len(fields)} fields; cron has 5", fix=_EXAMPLE)
    schedule = Cron(" ".join(fields), f"cron {' '.join(fields)}")
    try:
        schedule.following(_BEGINNING)
    except CronSimError as error:
        problem = str(error)
        raise UsageError(f"{text!r}: {problem[:1].lower()}{problem[1:]}", fix=_EXAMPLE) from None
    except StopIteration:
        raise UsageError(f"the schedule {text!r} is never due", fix=_EXAMPLE) from None
    return schedule
