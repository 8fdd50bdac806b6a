"""Prices in words, and what is added to them so that a cap holds."""

import math
from collections.abc import Iterable

from agents.command import command
from agents.declare.actions import Grounded
from agents.errors import NotApproved
from agents.ledger.projections.accounts import Open

__all__ = [
    "at_most",
    "no_cap",
    "no_room",
    "not_agreed",
    "price_of",
    "stopping_seconds",
    "unknown_price",
]

STOPPING_SECONDS = 30.0
STOPPING_SHARE = 0.05
"""What a step may still cost while it stops: so many seconds, or this part of what it may take."""


def price_of(actions: Iterable[Grounded]) -> tuple[float, float]:
    """Dollars at least and at most, of those whose price is known."""
    prices = [each.estimate.usd for each in actions if each.estimate is not None]
    known = [price for price in prices if price is not None]
    return sum(each.low for each in known), sum(each.high for each in known)


def stopping_seconds(open_: Open) -> float:
    """How long a step may go on when it was asked to stop, on all its machines together."""
    most = STOPPING_SECONDS * open_.machines
    return min(most, STOPPING_SHARE * open_.usd / open_.most_per_second)


def unknown_price(grounded: Grounded, cap: float) -> NotApproved:
    """A cap cannot be kept where nobody knows a price."""
    return NotApproved(
        f"the price of {grounded.name} is unknown, so max_cost={cap:g} cannot be kept",
        fix=f"{_said(grounded)}, or leave max_cost= out",
    )


def no_cap(plan: Iterable[Grounded]) -> NotApproved:
    """What costs money is not bought unasked."""
    usd = sum(each.usd for each in plan)
    return NotApproved(
        f"the plan costs about ${at_most(usd)} and no cap was given",
        fix=f"add max_cost={at_most(usd * 1.5)}",
    )


def no_room(
    name: str, usd: float, cap: float, spent: float, gone: float, rest: Iterable[Grounded]
) -> NotApproved:
    """A step that may cost more than is left.

    Args:
        name: Its action.
        usd: The most it may cost.
        cap: The most that all may.
        spent: What is spent.
        gone: What no plan can use any more.
        rest: The steps that are still to do, this one included.
    """
    low, high = price_of(rest)
    return NotApproved(
        f"${spent:.2f} of ${cap:.2f} is spent and {name} may cost ${usd:.2f}: stopped before it; "
        f"the rest costs ${low:.2f} to ${at_most(high)}",
        fix=f"the same command with max_cost={at_most(gone + high)} does the rest",
    )


def not_agreed(grounded: Grounded) -> NotApproved:
    """What nobody knows the price of is not bought unasked."""
    return NotApproved(
        f"the price of {grounded.name} is unknown, and nobody agreed to pay it",
        fix=f"{_said(grounded)}, and add max_cost=; or agree to whatever it costs:\n"
        f"{command('approve last')}\nthen the same command again",
    )


def _said(grounded: Grounded) -> str:
    basis = grounded.basis or grounded.name
    return f"say what an hour of {basis} costs in rates.json of the state directory"


def at_most(usd: float) -> str:
    """Dollars in cents, rounded up: as a cap they are enough.

    >>> at_most(0.0004), at_most(4.5)
    ('0.01', '4.50')
    """
    return f"{math.ceil(usd * 100 - 1e-9) / 100:.2f}"
