"""What a run pays from: the accounts of its steps, and what was spent on them before it."""

from collections.abc import Callable, Sequence
from datetime import datetime

from agents.declare.actions import Context
from agents.declare.catalogue import Catalogue
from agents.ledger.events import Event
from agents.ledger.payloads import Payload
from agents.money.accounts import Account, accounts_of
from agents.money.purse import Purse
from agents.run.question import Question

__all__ = ["account_of", "accounts_used", "purse_of"]


def purse_of(
    question: Question,
    events: Sequence[Event],
    continued: Sequence[Sequence[Event]],
    record: Callable[[str, Payload], object],
    clock: Callable[[], datetime],
) -> Purse:
    """The purse of a run that begins.

    Args:
        question: What is asked, with the cap of this call.
        events: The ledger.
        continued: The events of each run that this one continues, newest first.
        record: Appends an event: (subject, payload).
        clock: Tells when a step began and ended.
    """
    own = f"{question.goal.name}:{question.request.what_digest[:16]}"
    accounts = accounts_of(events)
    # where nothing names what the money was spent on, only who goes on with a run counts it
    gone_on_with = accounts_of(event for run in reversed(continued) for event in run)
    accounts[own] = gone_on_with.get(own, Account())
    return Purse(question.max_cost, record, clock, own, accounts)


def account_of(catalogue: Catalogue, name: str, context: Context) -> str:
    """What the costs of an action are booked on; empty where it names nothing, or not yet."""
    action = catalogue.actions.get(name)
    if action is None or action.account is None:
        return ""
    try:
        return action.account(context)
    except Exception:  # noqa: BLE001 - what cannot be seen yet has no name yet
        return ""


def accounts_used(question: Question, context: Context) -> set[str]:
    """The accounts of the actions that are offered and cost something, as far as they are known."""
    priced = [name for name, each in question.declared.items() if each.price != 0]
    return {account_of(question.catalogue, name, context) for name in priced} - {""}
