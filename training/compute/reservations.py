"""Money set aside before it is spent, so that no two launchers spend the same dollars.

The reservations of a volume are a row of numbered slots that every launcher sees. Who wants one
reads the whole row, adds up what is used and what is set aside, and takes the next number. Of two
who do so at once one gets the number, and the other reads again: nobody sets money aside without
having seen what was set aside before. A slot is never emptied.

A reservation lasts until the call it was made for is over; then the account of the training says
what was used. Who launches next looks after those whose launcher is gone.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from training.compute.spending import DAY, MONTH, Limits, Period, Spent, period_of
from training.errors import BudgetUsedUp

__all__ = ["Asked", "Budget", "Granted", "Reservation", "Slots", "State"]

WARN_SHARE: Final = 0.8
"""From this part of a budget on, who launches is warned."""

LEAST_SECONDS: Final = 60.0
"""For less than a minute of hardware no container is started."""

USUAL_SECONDS: Final = 600.0
"""So much is set aside at least, where there is as much: to start takes its time."""

STOPPING_SECONDS: Final = 30.0
STOPPING_SHARE: Final = 0.05
"""What a container may still use while it saves: so many seconds, or this part of its time."""

SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True)
class Reservation:
    """Money that is set aside for one call.

    Attributes:
        key: The training.
        claim: The number of its launch.
        usd: Dollars at most.
        at: When it was made, in seconds since 1970.
        call: The call, as it said itself when it began; empty before.
    """

    key: str
    claim: int
    usd: float
    at: float
    call: str = ""


@dataclass(frozen=True)
class State:
    """What became of a reservation: whether its call is over, and which call that is.

    Where the call is not known, but may still be made, it is not over.
    """

    over: bool
    call: str = ""


class Slots(Protocol):
    """The row of reservations, which all launchers of a volume share."""

    def read(self) -> Mapping[int, Reservation | None]:
        """Every slot that was taken; None in one that is settled."""

    def take(self, number: int, value: Mapping[str, Any]) -> bool:
        """Write a slot that nobody wrote; False when somebody did."""

    def state_of(self, number: int, reservation: Reservation) -> State:
        """What became of a reservation; asks the platform."""

    def give_back(self, number: int) -> bool:
        """Say that no call was made; False when one began all the same."""

    def settle(self, number: int) -> None:
        """From now on the account of its training says what its call used."""


@dataclass(frozen=True)
class Asked:
    """What a launch needs.

    Attributes:
        key: The training.
        claim: The number of its launch.
        deadline: After how many seconds it is to end; None: when its call has to.
        timeout: After how many seconds its call has to.
        likely_seconds: How long it is expected to take at most; None: not known.
        usd_per_hour: What an hour costs at most; None: nobody knows.
    """

    key: str
    claim: int
    deadline: float | None
    timeout: float
    likely_seconds: float | None = None
    usd_per_hour: float | None = None


@dataclass(frozen=True)
class Granted:
    """What a launch got.

    Attributes:
        slot: The number of its reservation; None: none is needed.
        deadline: After how many seconds of hardware it is to end; None: when its call has to.
        warning: What a person should know of the budget; empty: nothing.
    """

    slot: int | None
    deadline: float | None
    warning: str = ""


@dataclass(frozen=True)
class Budget:
    """What one launcher may still spend of the budget of a volume.

    Attributes:
        limits: What was said.
        slots: What all launchers set aside.
        accounts: Reads the accounts of the volume that were written since a moment.
        clock: Seconds since 1970.
    """

    limits: Limits
    slots: Slots
    accounts: Callable[[float], list[Spent]]
    clock: Callable[[], float]

    def grant(self, asked: Asked) -> Granted:
        """Set aside what a launch may cost, before it is made.

        Where there is no limit it is written down all the same, for those who have one.

        Raises:
            BudgetUsedUp: Nothing is left, or nobody knows what an hour costs.
        """
        if asked.usd_per_hour is None and self.limits and not self.limits.free:
            raise BudgetUsedUp(
                f"what an hour of training {asked.key} costs is unknown, so the budget in "
                f"{self.limits.source} cannot be kept",
                fix="say what an hour costs in rates.json of the state directory",
                code="price_unknown",
            )
        if not asked.usd_per_hour:
            return Granted(None, asked.deadline)
        while True:
            taken = self.slots.read()
            tallies = self._tallies(taken, asked.usd_per_hour)
            seconds = self._seconds(asked, tallies)
            usd = seconds * asked.usd_per_hour / SECONDS_PER_HOUR
            mine = Reservation(asked.key, asked.claim, usd, self.clock())
            number = max(taken, default=-1) + 1
            if self.slots.take(number, asdict(mine)):
                break
        if not self.limits:
            return Granted(number, asked.deadline)
        said = (each.warning(usd, self.limits.bill) for each in tallies)
        return Granted(number, seconds - _stopping(seconds), "; ".join(filter(None, said)))

    def give_back(self, granted: Granted) -> None:
        """Free what was set aside for a call that was refused, so that it was not made."""
        if granted.slot is not None:
            self.slots.give_back(granted.slot)

    def set_aside(self) -> dict[str, float]:
        """Dollars by training that are set aside and not used yet, for calls that are not over."""
        waiting = self._waiting(self.slots.read())
        spent = self.accounts(0.0) if waiting else []
        found: dict[str, float] = {}
        for each in waiting:
            found[each.key] = found.get(each.key, 0.0) + _rest(each, spent, 0.0)
        return found

    def _waiting(self, taken: Mapping[int, Reservation | None]) -> list[Reservation]:
        return [each for number, of in taken.items() if of and (each := self._open(number, of))]

    def _seconds(self, asked: Asked, tallies: "list[_Tally]") -> float:
        """How long a launch may use hardware, with what it takes to stop.

        Raises:
            BudgetUsedUp: Not as long as it takes to start.
        """
        longest = asked.timeout if asked.deadline is None else min(asked.deadline, asked.timeout)
        if not tallies:
            return longest
        if asked.likely_seconds is not None:
            longest = min(longest, max(USUAL_SECONDS, asked.likely_seconds))
        rate = (asked.usd_per_hour or 0.0) / SECONDS_PER_HOUR
        least = min(tallies, key=lambda each: each.left)
        wanted = longest + min(STOPPING_SECONDS, STOPPING_SHARE * longest)
        if least.left / rate < min(LEAST_SECONDS, wanted):
            raise least.used_up(self.limits.bill)
        return min(wanted, least.left / rate)

    def _tallies(
        self, taken: Mapping[int, Reservation | None], usd_per_hour: float
    ) -> "list[_Tally]":
        if not self.limits:
            return []
        # whether a call is over is asked first: what it used by then is in the account
        waiting = self._waiting(taken)
        now = datetime.fromtimestamp(self.clock(), UTC)
        month = period_of(MONTH, now)
        spent = self.accounts(month.begin)
        rest = sum(_rest(each, spent, usd_per_hour) for each in waiting)
        return [
            _Tally(period, limit, self.limits.source, _used(spent, period, usd_per_hour), rest)
            for period in (period_of(DAY, now), month)
            if (limit := self.limits.of(period.kind)) is not None
        ]

    def _open(self, number: int, reservation: Reservation) -> Reservation | None:
        """A reservation whose call is not over, with that call; else None."""
        state = self.slots.state_of(number, reservation)
        if state.over:
            self.slots.settle(number)
            return None
        given = {each.name: getattr(reservation, each.name) for each in fields(reservation)}
        return Reservation(**{**given, "call": state.call})


@dataclass(frozen=True)
class _Tally:
    """How much of the budget of a day or a month is gone."""

    period: Period
    limit: float
    source: str
    used: float
    reserved: float

    @property
    def left(self) -> float:
        return max(0.0, self.limit - self.used - self.reserved)

    def warning(self, usd: float, bill: str) -> str:
        gone = self.used + self.reserved + usd
        if gone < WARN_SHARE * self.limit:
            return ""
        return (
            f"{gone / self.limit:.0%} of the budget of {self.period.name} (UTC) is used or set "
            f"aside: ${gone:.2f} of ${self.limit:.2f}; {bill} {self._word}"
        )

    def used_up(self, bill: str) -> BudgetUsedUp:
        some = f"; what is left, ${self.left:.2f}, is too little to start" if self.left else ""
        again = "tomorrow" if self.period.kind == DAY else "next month"
        return BudgetUsedUp(
            f"the budget of {self.period.name} (UTC) is used up: ${self.used:.2f} used and "
            f"${self.reserved:.2f} set aside for what runs, of usd_per_{self.period.kind}="
            f"{self.limit:g}{some}",
            fix=f"{bill} {self._word} shows what used it; wait until {again}, 00:00 UTC, or raise "
            f"usd_per_{self.period.kind} in {self.source}",
        )

    @property
    def _word(self) -> str:
        return f"{self.period.kind}={self.period.name}"


def _used(spent: list[Spent], period: Period, usd_per_hour: float) -> float:
    return sum(each.within(period).at_most(usd_per_hour) for each in spent)


def _rest(open_: Reservation, spent: list[Spent], usd_per_hour: float) -> float:
    """What of a reservation its call has not used yet."""
    if not open_.call:
        return open_.usd
    own = (each.by_call(open_.call) for each in spent if each.key == open_.key)
    return max(0.0, open_.usd - sum(each.at_most(usd_per_hour) for each in own))


def _stopping(seconds: float) -> float:
    """What of some seconds is kept for saving.

    >>> _stopping(1050.0), _stopping(630.0), _stopping(21.0)
    (30.0, 30.0, 1.0)
    """
    return min(STOPPING_SECONDS, seconds - seconds / (1 + STOPPING_SHARE))
