"""Saying once that most of the money of a run is used."""

from collections.abc import Callable
from dataclasses import dataclass

from agents.ledger.payloads import MoneyLow
from agents.money.purse import Purse

__all__ = ["LowMoney"]

MOST_SHARE = 0.8


@dataclass
class LowMoney:
    """Looks how much of a cap is used, by what ended and by what runs.

    Attributes:
        purse: Of the run.
        record: Appends an event that says this.
    """

    purse: Purse
    record: Callable[[MoneyLow], object]
    _said: bool = False

    def look(self) -> None:
        """Say it when it is so, once."""
        cap = self.purse.cap
        if self._said or not cap:
            return
        used = _used(self.purse)
        if used >= MOST_SHARE * cap:
            self._said = True
            self.record(MoneyLow(usd=round(used, 4), cap=cap))


def _used(purse: Purse) -> float:
    """Dollars at most that are used by now: settled, and by what runs."""
    running = (
        each.most_per_second * purse._seconds(account, each)
        for account, each in list(purse._reserved.values())
        if each.most_per_second
    )
    return purse._spent().high + sum(running)
