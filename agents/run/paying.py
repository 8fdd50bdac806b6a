"""What a run pays from: the accounts of its steps, and what was spent on them before it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from agents.declare.actions import Context, Meter
from agents.declare.catalogue import Catalogue
from agents.ledger.past import Past
from agents.ledger.payloads import Payload
from agents.ledger.projections.accounts import Account, accounts, accounts_of
from agents.money.estimates import Estimates
from agents.money.purse import Purse
from agents.run.question import Question

__all__ = ["account_of", "meter_of", "purse_of", "read_accounts"]


def purse_of(
    question: Question,
    past: Past,
    continued: Sequence[Past],
    record: Callable[[str, Payload], object],
    clock: Callable[[], datetime],
) -> Purse:
    """The purse of a run that begins.

    Args:
        question: What is asked, with the cap of this call.
        past: The ledger.
        continued: The events of each run that this one continues, newest first.
        record: Appends an event: (subject, payload).
        clock: Tells when a step began and ended.
    """
    own = f"{question.goal.name}:{question.request.what_digest[:16]}"
    known = accounts(past.ledger)
    # where nothing names what the money was spent on, only who goes on with a run counts it
    gone_on_with = accounts_of(event for run in reversed(continued) for event in run)
    known[own] = gone_on_with.get(own, Account())
    return Purse(question.max_cost, record, clock, own, known)


def account_of(catalogue: Catalogue, name: str, context: Context) -> str:
    """What the costs of an action are booked on; empty where it names nothing, or not yet."""
    action = catalogue.actions.get(name)
    if action is None or action.account is None:
        return ""
    try:
        return action.account(context)
    except Exception:  # noqa: BLE001 - what cannot be seen yet has no name yet
        return ""


def meter_of(catalogue: Catalogue, name: str, context: Context) -> Meter | None:
    """What the meter of an action's account shows; None where it has none, or is not seen now."""
    action = catalogue.actions.get(name)
    if action is None or action.meter is None:
        return None
    try:
        return action.meter(context)
    except Exception:  # noqa: BLE001 - what cannot be seen now is asked for again
        return None


def read_accounts(
    question: Question, context: Context, purse: Purse, estimates: Estimates
) -> Estimates:
    """Tell a purse what was spent on what is offered; what is expected of it, with what is left.

    Args:
        question: What is asked.
        context: Looks.
        purse: Is told.
        estimates: What is known about durations and prices.
    """
    rests = {}
    for name, declared in question.declared.items():
        if declared.price == 0:
            continue
        account = account_of(question.catalogue, name, context)
        meter = meter_of(question.catalogue, name, context) if account else None
        purse.uses([account])
        if meter is None:
            continue
        purse.reads(name, account, meter, estimates.rate_of(declared))
        if meter.rest is not None:
            rests[name] = meter.rest
    return replace(estimates, rests=rests)
