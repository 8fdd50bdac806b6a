"""What was used of a volume on a day or in a month, as the accounts of its trainings say it.

Days and months are those of UTC. Hardware is used without a break from when it began to be ours, so
a use that lasts over midnight is split there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from training.runner.account import Use, dollars_of, newest_of, total_seconds, uses_of
from training.store.directory import account_names
from training.store.volume import Volume

__all__ = ["DAY", "MONTH", "Limits", "Period", "Spent", "accounts_of", "period_of", "within"]

DAY: Final = "day"
MONTH: Final = "month"


@dataclass(frozen=True)
class Limits:
    """The most dollars that trainings of one volume may cost, whoever launches them.

    Attributes:
        usd_per_day: On a day of UTC; None: no limit.
        usd_per_month: In a month of UTC; None: no limit.
        source: Where it is said.
        bill: The command that shows what used it.
        free: Whether what has no price costs nothing, as in a rehearsal.
    """

    usd_per_day: float | None = None
    usd_per_month: float | None = None
    source: str = ""
    bill: str = ""
    free: bool = False

    def __bool__(self) -> bool:
        return self.usd_per_day is not None or self.usd_per_month is not None

    def of(self, kind: str) -> float | None:
        """That of a day, or of a month."""
        return self.usd_per_day if kind == DAY else self.usd_per_month


@dataclass(frozen=True)
class Period:
    """A day or a month of UTC.

    Attributes:
        kind: Which of them.
        name: As a person writes it: ``2026-02-28`` or ``2026-02``.
        begin: Its first moment, in seconds since 1970; `end`, the first after it.
    """

    kind: str
    name: str
    begin: float
    end: float


def period_of(kind: str, moment: datetime) -> Period:
    """The day or the month of UTC in which a moment lies.

    >>> period_of("day", datetime(2026, 2, 28, 23, tzinfo=UTC)).name
    '2026-02-28'
    >>> month = period_of("month", datetime(2026, 12, 31, tzinfo=UTC))
    >>> month.name, (month.end - month.begin) / 86_400
    ('2026-12', 31.0)
    """
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if kind == DAY:
        return _period(kind, f"{day:%Y-%m-%d}", day, day + timedelta(days=1))
    first = day.replace(day=1)
    return _period(kind, f"{day:%Y-%m}", first, (first + timedelta(days=31)).replace(day=1))


def _period(kind: str, name: str, begin: datetime, end: datetime) -> Period:
    return Period(kind, name, begin.timestamp(), end.timestamp())


@dataclass(frozen=True)
class Spent:
    """What one training used.

    Attributes:
        key: The training.
        uses: Its account.
    """

    key: str
    uses: tuple[Use, ...]

    def within(self, period: Period) -> "Spent":
        """What of it lies in a day or a month."""
        return replace(self, uses=tuple(within(self.uses, period)))

    def by_call(self, call: str) -> "Spent":
        """What of it one call used."""
        return replace(self, uses=tuple(each for each in self.uses if each.call == call))

    @property
    def seconds(self) -> float:
        """Seconds of hardware."""
        return total_seconds(self.uses)

    @property
    def usd(self) -> tuple[float, float, float] | None:
        """Dollars: the least, the expected, the most; None where a rate is not written down."""
        return dollars_of(self.uses)

    def at_most(self, usd_per_hour: float) -> float:
        """Dollars at most; what has no rate is taken to cost so much an hour."""
        rated = (usd_per_hour,) * 3
        uses = [replace(each, usd_per_hour=each.usd_per_hour or rated) for each in self.uses]
        return (dollars_of(uses) or (0.0, 0.0, 0.0))[2]


def within(uses: Iterable[Use], period: Period) -> Iterator[Use]:
    """Each use as far as it lies in a day or a month; none where nothing of it does.

    >>> day = period_of("day", datetime(1970, 1, 2, tzinfo=UTC))
    >>> use = Use(1, "", "ended", "", "", 86_000.0, 1_000.0)
    >>> [(each.began, each.seconds) for each in within([use], day)]
    [(86400.0, 600.0)]
    """
    for use in newest_of(uses):
        begin, end = max(use.began, period.begin), min(use.began + use.seconds, period.end)
        if begin < end:
            yield replace(use, began=begin, seconds=end - begin)


def accounts_of(volume: Volume, since: float = 0.0) -> list[Spent]:
    """The accounts of a volume by key, of those that were written since; also of what was deleted.

    Args:
        volume: Whose.
        since: Seconds since 1970.
    """
    found: dict[str, tuple[Use, ...]] = {}
    for key, name in account_names(volume, since):
        try:
            content = volume.read_bytes(name)
        except FileNotFoundError:
            continue  # it was deleted this moment; what is kept of it is listed as well
        found[key] = (*found.get(key, ()), *uses_of(content))
    return [Spent(key, uses) for key, uses in sorted(found.items())]
