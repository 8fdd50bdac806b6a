"""Prices in words, and what is added to them so that a cap holds."""

import math
from collections.abc import Iterable

from agents.declare.actions import Grounded
from agents.errors import NotApproved
from agents.money.accounts import Open

__all__ = ["at_most", "price_of", "stopping_seconds", "unknown_price"]

STOPPING_SECONDS = 30.0
STOPPING_SHARE = 0.05
"""What a step may still cost while it stops: so many seconds, or this part of what it may take."""


def price_of(actions: Iterable[Grounded]) -> tuple[float, float]:
    """Dollars at least and at most, of those whose price is known."""
    prices = [each.estimate.usd for each in actions if each.estimate is not None]
    known = [price for price in prices if price is not None]
    return sum(each.low for each in known), sum(each.high for each in known)


def stopping_seconds(open_: Open) -> float:
    """How long a step may go on when it was asked to stop."""
    return min(STOPPING_SECONDS, STOPPING_SHARE * open_.usd / open_.most_per_second)


def unknown_price(grounded: Grounded, cap: float) -> NotApproved:
    """A cap cannot be kept where nobody knows a price."""
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
