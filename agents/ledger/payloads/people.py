"""What is said of people: what they agreed to, and what they are waited for."""

from typing import ClassVar

from agents.ledger.payloads.base import Payload

__all__ = ["ApprovalUsed", "PersonAwaited", "PersonTold", "PlanApproved"]


class PlanApproved(Payload):
    """A person agreed to one plan, once, up to a cap.

    Attributes:
        max_cost: Null where nobody knows the price, and a person agreed to whatever it is.
        run: The run that stopped at the plan.
        actions: Those that needed somebody to agree.
        by: Who agreed.
    """

    kind: ClassVar[str] = "plan.approved"

    digest: str
    max_cost: float | None
    actions: tuple[str, ...] = ()
    run: str = ""
    by: str = ""


class ApprovalUsed(Payload):
    """An approval was used: that of the event with this id."""

    kind: ClassVar[str] = "approval.used"

    approval: str
    actions: tuple[str, ...]
    max_cost: float | None
    digest: str = ""


class PersonAwaited(Payload):
    """What only a person can do is waited for."""

    kind: ClassVar[str] = "person.awaited"

    message: str
    fix: str = ""
    seconds: float


class PersonTold(Payload):
    """A person somewhere else is to be told something, or was; once for each key.

    Attributes:
        key: By what it is known, so that it is told once.
        sent: Whether it was sent.
    """

    kind: ClassVar[str] = "person.told"

    key: str
    title: str
    text: str = ""
    sent: bool = False
