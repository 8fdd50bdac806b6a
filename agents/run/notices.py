"""What of a run is worth telling a person who is somewhere else, and by what it is known."""

from typing import NamedTuple

from agents.command import command
from agents.ledger.events import Event
from agents.ledger.payloads import MoneyLow, PersonAwaited, PlanMade, RunFinished
from agents.run.identity import Request

__all__ = ["Notice", "Notices"]

STALLED = "stalled"
_OF_ITSELF = ("interrupted", "lost", "locked", "nothing to do")
"""Ends that a person asked for, or that the next run tells of."""


class Notice(NamedTuple):
    """Something to tell, once for each key."""

    key: str
    title: str
    text: str


class Notices:
    """Turns the events of one run into notices.

    Args:
        request: What the run is for: what waits for a person is told once for it, however often
            the run is killed and goes on.
    """

    def __init__(self, request: Request) -> None:
        self._goal, self._what = request.goal, request.what_digest[:16]
        self._plan: PlanMade | None = None

    def of(self, event: Event) -> Notice | None:
        """What to tell because of an event; None: nothing."""
        match event.payload:
            case PlanMade() as plan:
                self._plan = plan
            case PersonAwaited(message=message, fix=fix):
                return self._login(event, message, fix)
            case MoneyLow(usd=usd, cap=cap):
                key = f"money {self._what} {cap:g}"
                text = f"${usd:.2f} of ${cap:.2f} are used; it stops before it costs more."
                return Notice(key, f"{self._goal}: 80 % of the money is used", text)
            case RunFinished() as ended if ended.status not in _OF_ITSELF:
                return self._ended(event, ended)
        return None

    def _ended(self, event: Event, ended: RunFinished) -> Notice:
        show = command(f"show {event.run}")
        if ended.status == "not_approved" and self._plan is not None and self._plan.approval:
            named = ", ".join(self._plan.approval)
            text = f"{ended.message}\n{command(f'approve {event.run}')}"
            title = f"{self._goal} waits for you to agree to {named}"
            return Notice(f"approval {self._plan.digest}", title, text)
        if ended.status == "unauthenticated":
            return self._login(event, ended.message, ended.fix)
        if ended.status == "done":
            return Notice(f"{event.run} done", f"{self._goal} is done", show)
        verb = "stalled" if ended.status == STALLED else "failed"
        told = "\n".join(filter(None, [ended.message, ended.fix, show]))
        return Notice(f"{event.run} {verb}", f"{self._goal} {verb}", told)

    def _login(self, event: Event, message: str, fix: str) -> Notice:
        # once a day: who logged in may have to do it again
        key = f"log-in {self._what} {event.time[:10]}"
        return Notice(key, f"{self._goal} waits for you to log in", f"{message}\n{fix}".strip())
