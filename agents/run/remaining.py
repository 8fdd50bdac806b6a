"""What is left of a plan, and how long that may take."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from agents.ledger.payloads import PlanMade

__all__ = ["Remaining", "remaining"]


class Remaining(NamedTuple):
    """Steps that did not start, and seconds until the last one ends; None: nobody knows."""

    pending: tuple[str, ...]
    seconds: float | None


def remaining(
    plan: PlanMade, ended: Collection[str], running: Mapping[str, float | None]
) -> Remaining:
    """What is left of a plan, along its longest way.

    Args:
        plan: The plan.
        ended: Ids of the steps that are done.
        running: Ids of those that run, with the seconds each still takes; None: nobody knows.
    """
    left: dict[str, float | None] = {}
    pending = []
    for step in plan.steps:  # in an order in which each comes after those it waits for
        if step.id in ended:
            left[step.id] = 0.0
            continue
        before = [left.get(each, 0.0) for each in step.after]
        known = [each for each in before if each is not None]
        own = running.get(step.id, step.seconds)
        if step.id not in running:
            pending.append(step.id)
        whole = own is not None and len(known) == len(before)
        left[step.id] = max(known, default=0.0) + own if whole and own is not None else None
    ends = [each for each in left.values() if each is not None]
    seconds = max(ends, default=0.0) if len(ends) == len(left) else None
    return Remaining(tuple(pending), seconds)
