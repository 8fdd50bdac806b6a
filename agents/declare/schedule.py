"""Schedules: an interval, a time of day, or a cron line; in UTC, or in a time zone.

A schedule is a pure function of the clock, so it has nothing to remember: ``latest`` says when it
was last due and ``following`` when it will be due next.

Where clocks are set forward, what is due in the hour that is left out is due right after it. Where
they are set back, what is due at a time of day is due once, in the first of the two hours.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from agents.errors import UsageError, nearest

__all__ = ["Cron", "Interval", "Schedule", "cron", "daily", "every"]

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SMALLEST = timedelta(microseconds=1)
_EXAMPLE = "write five fields: 0 6 * * mon-fri"
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LONGEST_SHIFT = timedelta(hours=3)
"""No clock was ever set by more when summer begins or ends."""


class Schedule(Protocol):
    """When something is due."""

    @property
    def text(self) -> str:
        """The schedule as a person wrote it; its identity in the ledger."""

    @property
    def zone(self) -> tzinfo:
        """Where it is read from a clock."""

    def latest(self, now: datetime) -> datetime:
        """The last moment at or before ``now`` when it was due."""

    def following(self, now: datetime) -> datetime:
        """The first moment after ``now`` when it will be due."""


@dataclass(frozen=True)
class Interval:
    """Due every so many seconds, counted from 1970: a restart does not shift it."""

    seconds: int
    text: str
    zone: tzinfo = UTC

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
    zone: tzinfo = UTC

    def latest(self, now: datetime) -> datetime:
        """The last minute at or before ``now`` that fits."""
        if self.zone is UTC:
            # going back, it begins strictly before the moment it is given
            return next(CronSim(self.fields, now.astimezone(UTC) + _SMALLEST, reverse=True))
        # an hour that comes twice is read from a clock in two ways: only going on is unambiguous
        start, last = (now - _LONGEST_SHIFT).astimezone(self.zone), None
        for moment in self._after(start):
            if moment > now:
                break
            last = moment
        before = CronSim(self.fields, start.replace(microsecond=1), reverse=True)
        return last or next(before).astimezone(UTC)

    def following(self, now: datetime) -> datetime:
        """The first minute after ``now`` that fits."""
        if self.zone is UTC:
            return next(CronSim(self.fields, now.astimezone(UTC)))
        start = (now - _LONGEST_SHIFT).astimezone(self.zone)
        return next(moment for moment in self._after(start) if moment > now)

    def _after(self, start: datetime) -> Iterator[datetime]:
        return (moment.astimezone(UTC) for moment in CronSim(self.fields, start))


def every(text: str) -> Interval:
    """An interval such as ``90s``, ``15m``, ``6h`` or ``1d``.

    Raises:
        UsageError: It is not a whole number and a unit.
    """
    interval = re.fullmatch(r"([1-9]\d{0,6})([smhd])", text)
    if interval is None:
        raise UsageError(f"{text!r} is not an interval", fix="write 90s, 15m, 6h or 1d")
    return Interval(int(interval[1]) * _UNITS[interval[2]], f"every {text}")


def daily(text: str, zone: str = "") -> Cron:
    """A time of day such as ``06:30``, in UTC or in a time zone such as ``Europe/Zurich``.

    Raises:
        UsageError: It is no time of day, or there is no such zone.
    """
    time = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text)
    if time is None:
        raise UsageError(f"{text!r} is not a time of day", fix="write 06:30")
    fields = f"{int(time[2])} {int(time[1])} * * *"
    return Cron(fields, _shown("daily", text, zone), _zone(zone))


def cron(text: str, zone: str = "") -> Cron:
    """A cron line: numbers, names, ``*``, lists, ranges and steps, or ``@daily`` and the like.

    Raises:
        UsageError: A field makes no sense, no day ever fits, or there is no such zone.

    >>> cron("*/30 6-8 * * mon-fri").text
    'cron */30 6-8 * * mon-fri'
    >>> cron("@weekly", "Europe/Zurich").text
    'cron @weekly Europe/Zurich'
    """
    fields = _fields(text)
    schedule = Cron(fields, _shown("cron", " ".join(text.split()), zone), _zone(zone))
    try:
        schedule.following(_BEGINNING)
    except CronSimError as error:
        problem = str(error)
        raise UsageError(f"{text!r}: {problem[:1].lower()}{problem[1:]}", fix=_EXAMPLE) from None
    except (StopIteration, RuntimeError):  # the end of a generator, inside of another
        raise UsageError(f"the schedule {text!r} is never due", fix=_EXAMPLE) from None
    return schedule


def _fields(text: str) -> str:
    words = text.split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0] == "@reboot":
            raise UsageError("@reboot is no time", fix='when a watcher begins: on("watch.started")')
        if words[0] not in _NAMED:
            raise UsageError(f"there is no {words[0]}", fix=f"write one of {', '.join(_NAMED)}")
        return _NAMED[words[0]]
    if len(words) != 5:
        raise UsageError(f"{text!r} has {len(words)} fields; cron has 5", fix=_EXAMPLE)
    return " ".join(words)


def _shown(kind: str, text: str, zone: str) -> str:
    return " ".join(word for word in (kind, text, zone if zone != "UTC" else "") if word)


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        known = available_timezones()
        raise UsageError(
            f"there is no time zone {name!r}{nearest(name, known)}",
            fix="write one as Europe/Zurich"
            if known
            else "this machine knows none: python -m pip install tzdata",
        ) from None
