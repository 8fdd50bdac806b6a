"""Money of a run: reserved before a paid step starts, settled when it ended, never over the cap.

Every reservation and settlement is an event, booked on an account. What was spent on the accounts
of a run's steps, by whatever run, counts against its cap, and so does what a killed run reserved
and nobody settled. The cap is that of the call, and is kept nowhere else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agents.declare.actions import Estimate, Grounded
from agents.declare.amounts import Meter, Range
from agents.errors import NotApproved
from agents.ledger.payloads import MoneyReserved, MoneySettled, Payload
from agents.ledger.projections.accounts import Account, Open, opened
from agents.money import prices
from agents.money.metered import MeteredAccount
from agents.money.prices import at_most, price_of, stopping_seconds
from agents.money.standing import Standing, standing_of

__all__ = ["Purse"]


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
        agreed: Actions whose price nobody knows, and that a person agreed to all the same.
    """

    cap: float | None
    record: Callable[[str, Payload], object]
    clock: Callable[[], datetime]
    account: str
    accounts: dict[str, Account] = field(default_factory=dict)
    agreed: set[str] = field(default_factory=set)
    _settled: float = 0.0
    _reserved: dict[str, tuple[str, Open]] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)
    _metered: dict[str, MeteredAccount] = field(default_factory=dict)

    def uses(self, accounts: Iterable[str]) -> None:
        """From now on, what earlier runs spent on these accounts counts against the cap."""
        self._used |= {each for each in accounts if each}

    def reads(self, action: str, account: str, meter: Meter, per_second: Range | None) -> None:
        """Take over what the meter of an account shows; what a run left running is booked.

        Args:
            action: Whose account it is.
            account: The account.
            meter: What it shows now.
            per_second: The rate of now; None where nobody knows it.
        """
        self.uses([account])
        known = self.accounts.setdefault(account, Account())
        metered = MeteredAccount(account, known, meter, self.clock(), per_second)
        self._metered[account] = metered
        usd = metered.unbooked()
        if usd is not None:
            self._settle_metered(action, action, metered, usd)

    def tells(self, action: str, meter: Meter) -> None:
        """Take over what the meter of a step shows that is going on."""
        account, _ = self._reserved.get(action, ("", None))
        metered = self._metered.get(account)
        if metered is not None:
            metered.read(meter, self.clock())

    @property
    def spent(self) -> float:
        """Dollars that are settled, with those that were spent on the same accounts by others."""
        return self._spent().expected

    def _spent(self) -> Range:
        earlier = [
            self._metered[name].spent if name in self._metered else Range(*[each.spent] * 3)
            for name, each in self._earlier()
        ]
        return Range(*(self._settled + sum(each[part] for each in earlier) for part in range(3)))

    @property
    def left(self) -> float | None:
        """What may still be set aside; None without a cap."""
        if self.cap is None:
            return None
        return max(0.0, self.cap - self._spent().high - sum(each.usd for each in self._open()))

    @property
    def for_plans(self) -> float | None:
        """What a new plan may cost: a step that is continued takes its reservation over."""
        return None if self.cap is None else max(0.0, self.cap - self._gone())

    def _gone(self) -> float:
        """Dollars at most that no plan can use any more."""
        return self._spent().high + sum(each.usd for each in self._open() if not each.by_time)

    def standings(self) -> tuple[Standing, ...]:
        """How the accounts stand that count against the cap, and that something was spent on."""
        rows = (standing_of(name, each, self._metered.get(name)) for name, each in self._earlier())
        return tuple(each for each in rows if not each.is_untouched)

    def _earlier(self) -> list[tuple[str, Account]]:
        names = {self.account, *self._used} & set(self.accounts)
        return [(name, self.accounts[name]) for name in sorted(names)]

    def _open(self) -> list[Open]:
        """What is set aside; a meter shows what became of that of earlier runs."""
        own = [each for _, each in self._reserved.values()]
        earlier = (each for name, each in self._earlier() if name not in self._metered)
        return [*own, *(each for account in earlier for each in account.open.values())]

    def check(self, plan: Sequence[Grounded]) -> None:
        """Whether a plan may begin at all.

        A step whose price is unknown is stopped when its turn comes: what is free before it, such
        as asking whether our credentials are accepted, may have more to say. So is one that may
        not be needed.

        Args:
            plan: Those of its steps that are known to be needed.

        Raises:
            NotApproved: It costs money and no cap was given.
        """
        if self.cap is None and any(grounded.usd for grounded in plan):
            raise prices.no_cap(plan)

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
            NotApproved: It does not fit under the cap, or there is none, or it has no price, and
                nobody agreed to that; the message says what the rest costs.
        """
        estimate = grounded.estimate
        if estimate is None or grounded.price == 0:
            return
        account = account or self.account
        self.uses([account])
        metered = self._metered.get(account)
        since = "" if metered is not None else self._goes_on_since(grounded.name, account)
        if self.cap is not None:
            self._check(grounded, estimate, rest, self.cap)
        elif estimate.usd is not None:
            self.check(list(rest))
        elif grounded.name not in self.agreed:
            raise prices.not_agreed(grounded)
        if metered is not None:
            metered.base = metered.meter
        high = None if estimate.usd is None else estimate.usd.high
        since = since or self.clock().isoformat()
        open_ = opened(high or 0.0, since, estimate.per_second, grounded.machines)
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
        metered = self._metered.get(account)
        self.record(
            step,
            MoneyReserved(
                step=step,
                action=action,
                account=account,
                usd=usd,
                since=open_.since,
                usd_per_second=open_.per_second,
                meter=metered and metered.shown(metered.base or metered.meter),
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
        used = self._seconds(account, open_) + stopping_seconds(open_)
        over = open_.most_per_second * used - open_.usd
        if over <= 0:
            return
        left = self.left or 0.0
        if over > left:
            raise self._used_up(grounded, account, open_, rest)
        usd = open_.usd + min(left, max(over, TOP_UP_SHARE * open_.usd))
        self._set_aside(step, grounded.name, account, replace(open_, usd=usd), usd=usd)

    def _used_up(
        self, grounded: Grounded, account: str, open_: Open, rest: Iterable[Grounded]
    ) -> NotApproved:
        used = open_.most_per_second * self._seconds(account, open_)
        (low, high), of_rest = self._still_costs(grounded, account, used), price_of(rest)
        low, high = low + of_rest[0], high + of_rest[1]
        return NotApproved(
            f"{grounded.name} ran as long as ${self.cap or 0.0:.2f} pay for: stopped; the rest "
            f"costs about ${low:.2f} to ${at_most(high)}",
            fix=f"the same command with max_cost={at_most(self._gone() + used + high)} goes on",
        )

    def _still_costs(self, grounded: Grounded, account: str, used: float) -> tuple[float, float]:
        """What a step that is stopped costs more, at least and at most."""
        metered, estimate = self._metered.get(account), grounded.estimate
        rate = None if estimate is None else estimate.per_second
        if metered is not None and metered.meter.rest is not None and rate is not None:
            rest = metered.meter.rest
            return rate.low * rest.low, rate.high * rest.high
        low, high = price_of([grounded])
        return max(LEAST_SHARE * low, low - used), max(LEAST_SHARE * high, high - used)

    def paid_seconds(self, grounded: Grounded) -> float | None:
        """Seconds of hardware that are paid for from now on, with all that is left, if it ends."""
        account, open_ = self._reserved.get(grounded.name, ("", None))
        if self.cap is None or open_ is None or not open_.most_per_second:
            return None
        lasts = (open_.usd + (self.left or 0.0)) / open_.most_per_second
        return max(1.0, lasts - self._seconds(account, open_) - stopping_seconds(open_))

    def _seconds(self, account: str, open_: Open) -> float:
        """Seconds of hardware that are being paid for: by its meter, or since the step began."""
        if account in self._metered:
            return self._metered[account].used(self.clock())
        since = datetime.fromisoformat(open_.since)
        return max(0.0, (self.clock() - since).total_seconds()) * open_.machines

    def settle(self, step: str, grounded: Grounded, meter: Meter | None = None) -> None:
        """Replace the reservation by what the step cost, whether it failed or not.

        Args:
            step: The step's id.
            grounded: Its action.
            meter: What the meter of its account shows now; None: that cannot be known now.
        """
        account, open_ = self._reserved.pop(grounded.name, ("", None))
        estimate = grounded.estimate
        if open_ is None or estimate is None:
            return
        metered = self._metered.get(account)
        if metered is not None:
            # what cannot be seen now may go on, and is booked by whoever sees it
            metered.read(meter or replace(metered.meter, running=True), self.clock())
            base, metered.base = metered.base or Meter(), None
            usd = metered.priced(metered.meter).expected - metered.priced(base).expected
            self._settle_metered(step, grounded.name, metered, max(0.0, usd), estimate.rate)
            return
        paid: float | None = None
        if estimate.per_second is not None:
            paid = estimate.per_second.expected * self._seconds(account, open_)
        elif estimate.usd is not None:
            paid = estimate.usd.expected
        self._settled += paid or 0.0
        by_time = estimate.per_second is not None
        self._book(step, grounded.name, account, paid, estimate.rate, by_time=by_time)

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
            passed = self._seconds("", open_)
            usd = open_.per_second * (passed if seconds is None else min(passed, seconds))
        self._settled += usd
        self._book(action, action, account, usd, by_time=open_.by_time)

    def _settle_metered(
        self, step: str, action: str, metered: MeteredAccount, usd: float, rate: str = ""
    ) -> None:
        shown = metered.shown(metered.meter)
        booked = self._book(step, action, metered.name, usd, rate, by_time=True, meter=shown)
        metered.account.settle(booked)

    def _book(
        self,
        step: str,
        action: str,
        account: str,
        usd: float | None,
        rate: str = "",
        **of_time: Any,
    ) -> MoneySettled:
        names = {"step": step, "action": action, "account": account}
        settled = MoneySettled(**names, usd=usd, rate=rate, **of_time)
        self.record(step, settled)
        return settled

    def _check(
        self, grounded: Grounded, estimate: Estimate, rest: Iterable[Grounded], cap: float
    ) -> None:
        if estimate.usd is None:
            raise prices.unknown_price(grounded, cap)
        if estimate.usd.high <= (self.left or 0.0):
            return
        raise prices.no_room(grounded.name, estimate.usd.high, cap, self.spent, self._gone(), rest)
