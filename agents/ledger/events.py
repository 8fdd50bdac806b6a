"""Events: the lines of the ledger, in a CloudEvents 1.0 envelope.

The types the engine writes, in the order a run writes them:

========================  ==============================================================
``run.started``           goal, parameters, process, version, commit of the repository
``facts.observed``        readings: fact name → value and evidence
``plan.made``             digest, cost, steps; ``because`` says why when it is not the first
``step.started``          step id, action, attempt
``step.noted``            anything an action wants remembered, such as a launch
``step.finished``         seconds and the typed outcome
``step.verified``         the promised facts, seen
``step.failed``           failure class, name, message, fix
``run.stalled``           what failed, how and how often, when nothing is left to try
``run.finished``          status, exit code, what remains
========================  ==============================================================

Where a plan costs money or needs a person: ``money.reserved`` and ``money.settled`` around a
step, ``plan.approved`` and ``approval.used``, ``person.awaited``. What a watcher writes:
``watch.started``, ``trigger.handled`` (through which event, and how the look ended) and
``trigger.deferred``. Sources write ``git.commit``, ``file.changed``, ``schedule.due`` and
``webhook.received``, and where they began in ``git.seen``, ``file.seen`` and ``schedule.seen``;
anything else is from ``emit``.

Source: CloudEvents 1.0.2, https://github.com/cloudevents/spec.
"""

import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Event", "new_event", "new_id", "steady_clock", "timestamp", "utc_now"]


class Event(BaseModel):
    """One immutable line of the ledger; (source, id) is its identity."""

    model_config = ConfigDict(frozen=True)

    id: str
    source: str
    type: str
    time: str
    subject: str = ""
    run: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    sequence: int = 0

    def envelope(self) -> dict[str, Any]:
        """The event as a CloudEvents 1.0 JSON object; ``run`` and ``sequence`` are extensions."""
        document: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": self.time,
            "datacontenttype": "application/json",
            "data": self.data,
            "sequence": f"{self.sequence:010d}",
        }
        optional = {"subject": self.subject, "run": self.run}
        return document | {name: value for name, value in optional.items() if value}


def utc_now() -> datetime:
    """The current time in UTC; the default clock everywhere a clock is a parameter."""
    return datetime.now(UTC)


def steady_clock() -> Callable[[], datetime]:
    """A clock that starts with the current time in UTC and that nobody sets while it runs.

    Between two of its answers lies the time that passed, with that which the machine slept.
    """
    start, began = utc_now(), _passed()
    return lambda: start + timedelta(seconds=_passed() - began)


def _passed() -> float:
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def timestamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds: ``2026-02-28T12:45:30.120Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """A fresh event id."""
    return uuid.uuid4().hex


def new_event(
    type: str,  # noqa: A002 - the word of the CloudEvents specification
    data: dict[str, Any] | None = None,
    *,
    run: str = "",
    subject: str = "",
    source: str = "agents",
    clock: Callable[[], datetime] = utc_now,
    id: str | None = None,  # noqa: A002 - likewise
) -> Event:
    """An event of now that is not in the ledger yet (``sequence`` 0)."""
    return Event(
        id=id or new_id(),
        source=f"{source}/{run}" if run else source,
        type=type,
        time=timestamp(clock()),
        subject=subject,
        run=run,
        data=data or {},
    )
