"""Money of a run: reserved before a paid step starts, settled when it ended, never over the cap.

Every reservation and settlement is an event, booked on an account. What was spent on the accounts
of a run's steps, by whatever run, counts against its cap, and so does what a killed run reserved
and nobody settled. The cap is that of the call, and is kept nowhere else.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from agents.declare.actions import Estimate, Grounded
from agents.errors import NotApproved
from agents.ledger.payloads import MoneyReserved, MoneySettled, Payload
from agents.money.accounts import Account, Open

__all__ = ["Purse", "at_most"]


STOPPING_SECONDS = 30.0
STOPPING_SHARE = 0.05
"""What a step may still cost while it stops: so many seconds, or this part of what it may take."""

TOP_UP_SHARE = 0.1

LEAST_SHARE = 0.1
"""A step that took longer than was expected may cost at least this part of its price once more."""


@dataclass
class Purse:
    """What one run may spend.

    Attributes:
        cap: The most dollars; None where none was given.
        record: Appends an event: (subject, payload).
        clock: Tells when a step began and ended.
        account: What costs are booked on whose action names no account.
        accounts: What earlier runs left on each account.
    """

    cap: float | None
    record: Callable[[str, Payload], object]
    clock: Callable[[], datetime]
    account: str
    accounts: Mapping[str, Account] = field(default_factory=dict)
    _settled: float = 0.0
    _reserved: dict[str, tuple[str, Open]] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def uses(self, accounts: Iterable[str]) -> None:
        """From now on, what earlier runs spent on these accounts counts against the cap."""
        self._used |= {each for each in accounts if each}

    @property
    def spent(self) -> float:
        """Dollars that are settled, with those that earlier runs spent on the same accounts."""
        return self._settled + sum(each.spent for each in self._earlier())

    @property
    def left(self) -> float | None:
        """What may still be set aside; None without a cap."""
        if self.cap is None:
            return None
        return max(0.0, self.cap - self.spent - sum(each.usd for each in self._open()))

    @property
    def for_plans(self) -> float | None:
        """What a new plan may cost: a step that is continued takes its reservation over."""
        if self.cap is None:
            return None
        kept = sum(each.usd for each in self._open() if not each.by_time)
        return max(0.0, self.cap - self.spent - kept)

    def _earlier(self) -> list[Account]:
        return [self.accounts[name] for name in {self.account, *self._used} & set(self.accounts)]

    def _open(self) -> list[Open]:
        own = [each for _, each in self._reserved.values()]
        return [*own, *(each for account in self._earlier() for each in account.open.values())]

    def check(self, plan: Sequence[Grounded]) -> None:
        """Whether a plan may begin at all.

        A step whose price is unknown is stopped when its turn comes: what is free before it, such
        as asking whether our credentials are accepted, may have more to say.

        Raises:
            NotApproved: It costs money and no cap was given.
        """
        usd = sum(grounded.usd for grounded in plan)
        if usd and self.cap is None:
            raise NotApproved(
                f"the plan costs about ${at_most(usd)} and no cap was given",
                fix=f"add max_cost={at_most(usd * 1.5)}",
            )

    def reserve(
        self, step: str, grounded: Grounded, account: str, rest: Iterable[Grounded]
    ) -> None:
        """Set aside the most the step may cost, before it starts; free steps need nothing.

        Args:
            step: The step's id.
            grounded: Its action.
            account: What its costs are booked on; empty where the action names none.
            rest: The steps that are still to do, this one included.

        Raises:
            NotApproved: It does not fit under the cap, or has no price to compare with one; the
                message says what the rest costs.
        """
        estimate = grounded.estimate
        if estimate is None or grounded.price == 0:
            return
        account = account or self.account
        self.uses([account])
        since = self._goes_on_since(grounded.name, account)
        if self.cap is not None:
            self._check(grounded, estimate, rest, self.cap)
        high = None if estimate.usd is None else estimate.usd.high
        rate, most = estimate.usd_per_second, estimate.most_per_second or 0.0
        open_ = Open(high or 0.0, since or self.clock().isoformat(), rate, most)
        self._set_aside(step, grounded.name, account, open_, usd=high)

    def _goes_on_since(self, action: str, account: str) -> str:
        """When the step began to cost that this one goes on with; empty when there is none."""
        before = self._take_over(action, account)
        if before is not None and not before.by_time:
            self._settled += before.usd  # whether it was charged is not known: count it
            return ""
        return "" if before is None else before.since

    def _take_over(self, action: str, account: str) -> Open | None:
        earlier = self.accounts.get(account, Account())
        return earlier.take_over(action, under_any_name=account != self.account)

    def _set_aside(
        self, step: str, action: str, account: str, open_: Open, usd: float | None
    ) -> None:
        self._reserved[action] = account, open_
        self.record(
            step,
            MoneyReserved(
                step=step,
                action=action,
                account=account,
                usd=usd,
                since=open_.since,
                usd_per_second=open_.per_second,
            ),
        )

    def cover(self, step: str, grounded: Grounded, rest: Iterable[Grounded]) -> None:
        """Pay on for a step that runs; one that outruns its reservation gets more, if any.

        What it cost so far is counted at the highest rate, with the time that stopping it takes.

        Args:
            step: The step's id.
            grounded: Its action.
            rest: The steps that did not start yet.

        Raises:
            NotApproved: It has to stop now; the message says what the rest costs.
        """
        account, open_ = self._reserved.get(grounded.name, ("", None))
        if self.cap is None or open_ is None or not open_.most_per_second:
            return
        over = open_.most_per_second * (self._seconds(open_) + _stopping(open_)) - open_.usd
        if over <= 0:
            return
        left = self.left or 0.0
        if over > left:
            raise self._used_up(grounded, open_, rest, self.cap)
        usd = open_.usd + min(left, max(over, TOP_UP_SHARE * open_.usd))
        self._set_aside(step, grounded.name, account, replace(open_, usd=usd), usd=usd)

    def _used_up(
        self, grounded: Grounded, open_: Open, rest: Iterable[Grounded], cap: float
    ) -> NotApproved:
        used = open_.most_per_second * self._seconds(open_)
        (low, high), of_rest = _price([grounded]), _price(rest)
        low, high = (max(LEAST_SHARE * each, each - used) for each in (low, high))
        low, high = low + of_rest[0], high + of_rest[1]
        return NotApproved(
            f"{grounded.name} ran as long as ${cap:.2f} pay for: stopped; the rest costs about "
            f"${low:.2f} to ${at_most(high)}",
            fix=f"the same command with max_cost={at_most(high)} goes on",
        )

    def paid_seconds(self, grounded: Grounded) -> float | None:
        """How long what is reserved, and all that is left, lasts from now; None without a limit."""
        _, open_ = self._reserved.get(grounded.name, ("", None))
        if self.cap is None or open_ is None or not open_.most_per_second:
            return None
        lasts = (open_.usd + (self.left or 0.0)) / open_.most_per_second
        return max(1.0, lasts - self._seconds(open_) - _stopping(open_))

    def _seconds(self, open_: Open) -> float:
        return max(0.0, (self.clock() - datetime.fromisoformat(open_.since)).total_seconds())

    def settle(self, step: str, grounded: Grounded) -> None:
        """Replace the reservation by what the step cost, whether it failed or not."""
        account, open_ = self._reserved.pop(grounded.name, ("", None))
        estimate = grounded.estimate
        if open_ is None or estimate is None:
            return
        usd: float | None = None
        if estimate.usd_per_second is not None:
            usd = estimate.usd_per_second * self._seconds(open_)
        elif estimate.usd is not None:
            usd = estimate.usd.expected
        self._settle(step, grounded.name, account, usd, estimate.rate)

    def settle_recalled(self, action: str, account: str, seconds: float | None) -> None:
        """Settle what a killed run reserved for a step that was done while nobody looked.

        Args:
            action: The step's action.
            account: What its costs are booked on; empty where the action names none.
            seconds: What it took, as it measured that itself; None: until now.
        """
        account = account or self.account
        self.uses([account])
        open_ = self._take_over(action, account)
        if open_ is None:
            return
        usd = open_.usd
        if open_.per_second is not None:
            passed = self._seconds(open_)
            usd = open_.per_second * (passed if seconds is None else min(passed, seconds))
        self._settle(action, action, account, usd, "")

    def _settle(self, step: str, action: str, account: str, usd: float | None, rate: str) -> None:
        self._settled += usd or 0.0
        self.record(
            step, MoneySettled(step=step, action=action, account=account, usd=usd, rate=rate)
        )

    def _check(
        self, grounded: Grounded, estimate: Estimate, rest: Iterable[Grounded], cap: float
    ) -> None:
        if estimate.usd is None:
            raise _unknown(grounded, cap)
        if estimate.usd.high <= (self.left or 0.0):
            return
        low, high = _price(rest)
        raise NotApproved(
            f"${self.spent:.2f} of ${cap:.2f} is spent and {grounded.name} may cost "
            f"${estimate.usd.high:.2f}: stopped before it; the rest costs ${low:.2f} to "
            f"${at_most(high)}",
            fix=f"the same command with max_cost={at_most(high)} does the rest",
        )


def _price(actions: Iterable[Grounded]) -> tuple[float, float]:
    """Dollars at least and at most, of those whose price is known."""
    prices = [each.estimate.usd for each in actions if each.estimate is not None]
    known = [price for price in prices if price is not None]
    return sum(each.low for each in known), sum(each.high for each in known)


def _stopping(open_: Open) -> float:
    return min(STOPPING_SECONDS, STOPPING_SHARE * open_.usd / open_.most_per_second)


def _unknown(grounded: Grounded, cap: float) -> NotApproved:
    return NotApproved(
        f"the price of {grounded.name} is unknown, so max_cost={cap:g} cannot be kept",
        fix=f"say what an hour of {grounded.basis or grounded.name} costs in rates.json of the "
        "state directory, or leave max_cost= out",
    )


def at_most(usd: float) -> str:
    """Dollars in cents, rounded up: as a cap they are enough.

    >>> at_most(0.0004), at_most(4.5)
    ('0.01', '4.50')
    """
    return f"{math.ceil(usd * 100 - 1e-9) / 100:.2f}"
