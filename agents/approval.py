"""Approval: a person agrees to one plan, by its digest, up to one cap; it is used once."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.errors import NotApproved
from agents.events import Event

__all__ = ["APPROVED", "USED", "Approval", "find_approval"]

APPROVED = "plan.approved"
USED = "approval.used"


@dataclass(frozen=True)
class Approval:
    """What a person agreed to."""

    id: str
    digest: str
    max_cost: float


def find_approval(
    events: Iterable[Event], digest: str, run: str, cap: float | None, actions: Iterable[str]
) -> Approval:
    """The approval of this very plan that was not used yet.

    Args:
        events: The ledger.
        digest: The plan's digest.
        run: The run that asks, for the message.
        cap: The cap that was given on the command line.
        actions: What needs an approval, for the message.

    Raises:
        NotApproved: There is none, or it is for less than the cap.
    """
    given: dict[str, Approval] = {}
    for event in events:
        if event.type == APPROVED and event.data["digest"] == digest:
            given[event.id] = Approval(event.id, digest, float(event.data["max_cost"]))
        elif event.type == USED:
            given.pop(event.data["approval"], None)
    if not given:
        raise NotApproved(
            f"a person must approve {', '.join(sorted(set(actions)))} in plan {digest[:12]}",
            fix=f"python -m agents show {run}\npython -m agents approve {run}\n"
            "then the same command again",
        )
    newest = list(given.values())[-1]
    if cap is not None and cap > newest.max_cost:
        raise NotApproved(
            f"the plan is approved for at most ${newest.max_cost:.2f}, not for ${cap:.2f}",
            fix=f"max_cost={newest.max_cost:g}, or python -m agents approve {run}",
        )
    return newest
