"""How an account stands: what was spent, what is set aside, and whether it goes on."""

from dataclasses import dataclass

from agents.ledger.projections.accounts import Account
from agents.money.metered import MeteredAccount

__all__ = ["Standing", "standing_of"]


@dataclass(frozen=True)
class Standing:
    """What is known of one account before a plan begins.

    Attributes:
        account: Its name.
        usd: Dollars that were spent on it, by whoever did something for it.
        at_most: What that may have been at most; a cap is compared with this.
        reserved: Dollars that an earlier run set aside, and nobody knows what became of them.
        running: Whether it costs now.
        measured: Whether what costs says itself what it used; else it is by the time that passed.
    """

    account: str
    usd: float
    at_most: float
    reserved: float
    running: bool
    measured: bool

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was spent on it yet."""
        return not (self.at_most or self.reserved or self.running)


def standing_of(name: str, account: Account, metered: MeteredAccount | None) -> Standing:
    """How an account stands."""
    if metered is not None:
        spent = metered.spent
        return Standing(name, spent.expected, spent.high, 0.0, metered.meter.running, True)
    reserved = sum(each.usd for each in account.open.values())
    return Standing(name, account.spent, account.spent, reserved, False, False)
