"""Accounts: what was spent on a thing so far, by every run that did something for it.

Money is booked on what it is spent for, which an action names (`account=`), so that another goal,
another way of doing it and another person find it again. What no action names is booked on the goal
and its *what*, and is found again only by the run that continues.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime

from agents.command import command
from agents.declare.amounts import Range
from agents.errors import LedgerDamaged
from agents.ledger.events import Event
from agents.ledger.payloads import Metered, MoneyReserved, MoneySettled
from agents.ledger.rows import Opened

__all__ = ["INDEXES", "TABLES", "Account", "Open", "accounts", "accounts_of", "fold", "opened"]

TABLES = {
    "projected_accounts": "(name TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID"
}
INDEXES: dict[str, str] = {}

_OF_MONEY = (MoneyReserved.kind, MoneySettled.kind)


@dataclass(frozen=True)
class Open:
    """A reservation that is not settled.

    Attributes:
        usd: Dollars at most.
        since: When the step began to cost.
        per_second: The expected rate; None where the price does not depend on the time.
        most_per_second: The most that rate may be; 0 where that is not known.
        machines: How many are used at once: each costs that.
    """

    usd: float
    since: str
    per_second: float | None = None
    most_per_second: float = 0.0
    machines: int = 1

    @property
    def by_time(self) -> bool:
        """Whether it costs as long as it goes on."""
        return self.per_second is not None


def opened(usd: float, since: str, per_second: Range | None, machines: int = 1) -> Open:
    """A reservation of so many dollars at most; by time where there is a rate."""
    if per_second is None:
        return Open(usd, since)
    return Open(usd, since, per_second.expected, per_second.high, machines)


@dataclass
class Account:
    """What was spent on one thing, in dollars.

    Attributes:
        settled: What has a price, or may have been charged and nobody can get back.
        timed: What is paid by time, by the time that passed for those who booked it.
        booked: What is paid by time, by the meter of the thing itself.
        open: By action: reservations that nobody settled.
        total: What the meter showed when something was written of it last.
        goes_on: Whether it ran on then, so that what it used since is not booked.
    """

    settled: float = 0.0
    timed: float = 0.0
    booked: float = 0.0
    open: dict[str, Open] = field(default_factory=dict)
    total: Metered | None = None
    goes_on: bool = False

    @property
    def spent(self) -> float:
        """All of it, where there is no meter that knows better."""
        return self.settled + self.timed + self.booked

    def spent_by(self, shown: Range) -> Range:
        """All of it, where a meter shows what the time cost: whoever used it, wherever it is."""
        return Range(*(self.settled + max(each, self.booked) for each in shown))

    @classmethod
    def from_text(cls, text: str) -> "Account":
        """The account that `to_text` wrote.

        Raises:
            LedgerDamaged: Nobody wrote that.
        """
        digest, _, state = str(text).partition(" ")
        if digest != _digest(state):
            raise LedgerDamaged("an account is not what was booked", fix=command("doctor"))
        said = json.loads(state)
        said["open"] = {action: Open(**each) for action, each in said["open"].items()}
        said["total"] = said["total"] and Metered.model_validate(said["total"])
        return cls(**said)

    def to_text(self) -> str:
        """All of it as JSON, behind a digest: nobody pays by a number that fell over."""
        total = self.total and self.total.model_dump(mode="json")
        opened = {action: asdict(each) for action, each in self.open.items()}
        state = json.dumps({**vars(self), "open": opened, "total": total})
        return f"{_digest(state)} {state}"

    def take_over(self, action: str, *, under_any_name: bool) -> Open | None:
        """The reservation that a step goes on with, which is not open any more; None: it begins.

        Args:
            action: The step's action.
            under_any_name: Whether the account is of one thing alone: what is paid by time goes on
                then, whatever the action is called that goes on with it.
        """
        own = self.open.pop(action, None)
        if own is not None or not under_any_name:
            return own
        name = next((name for name, each in self.open.items() if each.by_time), "")
        return self.open.pop(name, None)

    def reserve(self, reserved: MoneyReserved) -> None:
        """Money was set aside."""
        if reserved.meter is not None:
            self._shows(reserved.meter, goes_on=True)
            self.open.pop(reserved.action, None)
            return
        before = self.open.pop(reserved.action, None)
        if before is not None and not before.by_time:
            self.settled += before.usd  # whether it was charged is not known: count it
        new = Open(reserved.usd or 0.0, _moment(reserved.since), reserved.usd_per_second)
        for name, each in list(self.open.items()):
            if new.by_time and each.by_time and each.since == new.since:
                del self.open[name]  # the same step, under another name
        self.open[reserved.action] = new

    def settle(self, settled: MoneySettled) -> None:
        """A step was paid."""
        self.open.pop(settled.action, None)
        usd = settled.usd or 0.0
        if settled.meter is not None:
            self._shows(settled.meter, goes_on=settled.meter.running)
            self.booked += usd
        elif settled.by_time or settled.rate:
            self.timed += usd
        else:
            self.settled += usd

    def _shows(self, meter: Metered, *, goes_on: bool) -> None:
        if self.total is not None and meter.seconds < self.total.seconds:
            # what the meter counted was deleted, and it began anew: that money is gone all the same
            self.settled, self.booked = self.settled + self.booked, 0.0
        self.total, self.goes_on = meter, goes_on


def _moment(since: str) -> str:
    """The moment as it was written.

    Raises:
        LedgerDamaged: It is none, or one without a time zone.
    """
    try:
        whole = not since or datetime.fromisoformat(since).tzinfo is not None
    except ValueError:
        whole = False
    if not whole:
        raise LedgerDamaged(
            f"money was set aside since {since!r}, which is no moment", fix=command("doctor")
        )
    return since


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:16]


def accounts_of(events: Iterable[Event]) -> dict[str, Account]:
    """The accounts of events by name; they are in the order in which they were written."""
    found: dict[str, Account] = {}
    for event in events:
        if event.type in _OF_MONEY:
            name = _name(event)
            found[name] = _booked(found.get(name), event)
    return found


def fold(connection: sqlite3.Connection, event: Event) -> None:
    """Book an event on its account."""
    if event.type not in _OF_MONEY:
        return
    name = _name(event)
    found = connection.execute(
        "SELECT state FROM projected_accounts WHERE name = ?", (name,)
    ).fetchone()
    account = _booked(Account.from_text(found[0]) if found else None, event)
    connection.execute(
        "INSERT OR REPLACE INTO projected_accounts VALUES (?, ?)", (name, account.to_text())
    )


def _name(event: Event) -> str:
    payload = event.payload
    return payload.account if isinstance(payload, MoneyReserved | MoneySettled) else ""


def _booked(account: Account | None, event: Event) -> Account:
    account = account or Account()
    match event.payload:
        case MoneyReserved() as reserved:
            account.reserve(reserved)
        case MoneySettled() as settled:
            account.settle(settled)
    return account


def accounts(ledger: Opened) -> dict[str, Account]:
    """All accounts of a ledger by name."""
    rows = ledger.rows("SELECT name, state FROM projected_accounts")
    return {name: Account.from_text(state) for name, state in rows}
