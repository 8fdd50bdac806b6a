"""What a call does before its training shows a sign of life, and when to give it up.

A container says that it is there in its first lines (`training.compute.modal.container`), which is
one entry to ask for. While there is none, the platform's list of containers tells a call that waits
for one from a container that is being started, or that dies before it can say anything.

`FunctionCall.get_call_graph` would tell part of it too, but "is not populated in real-time, and its
capture is best-effort" (its own words), so nothing is decided by it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import modal
import modal.exception

from training.compute.modal.claims import Claim
from training.compute.modal.container import (
    CLAIMS_NAME,
    CRASH_LOOP,
    start_name,
    stopped_name,
    task_name,
)
from training.compute.modal.tasks import last_words, tasks_of
from training.compute.port import QUEUE_TIMEOUT, State
from training.errors import FailureClass
from training.runner.ending import Failure

__all__ = ["MOST_SILENT", "Sight", "Watch"]

ALIVE_SECONDS: Final = 120.0
"""One that showed a sign of life is not looked at for so long."""

MOST_SILENT: Final = 3
"""A call is given up when so many containers died without a word."""


@dataclass(frozen=True)
class Sight:
    """What a call does.

    Attributes:
        since: Seconds since 1970; 0 where nobody knows.
        starts: How often it was started since its last sign of life.
        waits_for: What it is queued for.
        failure: Why it was given up just now.
    """

    state: State
    since: float = 0.0
    starts: int = 0
    waits_for: str = ""
    failure: Failure | None = None


@dataclass
class _Seen:
    """What is known of a call that is looked at again and again.

    Attributes:
        until: When to look again, by a monotonic clock.
        tasks: Containers of its app that did not say yet that they are there; and when each began.
        others: Those that did.
        silent: How many of them are gone without having said it, and `last`, the newest of those.
    """

    sight: Sight = Sight("queued")
    until: float = 0.0
    tasks: dict[str, float] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    silent: int = 0
    last: str = ""


class Watch:
    """Looks at calls that are not over.

    Args:
        environment: The workspace's environment; the default one when None.
        clock: Seconds since 1970.
        look_seconds: A call without a sign of life is looked at no more often than that.
        steady: Monotonic seconds.
    """

    def __init__(
        self,
        environment: str | None,
        clock: Callable[[], float],
        look_seconds: float,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment, self._clock, self._steady = environment, clock, steady
        self._look_seconds = look_seconds
        self._seen: dict[str, _Seen] = {}

    def look(self, call: str, claim: Claim) -> Sight:
        """What a call does; it is cancelled where it dies for ever, or waited too long.

        Args:
            call: Its id.
            claim: The launch that made it.
        """
        seen = self._seen.setdefault(call, _Seen())
        if seen.sight.failure is not None or self._steady() < seen.until:
            return seen.sight
        begun = self._kept.get(start_name(call))
        if begun is None:
            seen.sight = self._unseen(call, claim, seen)
        else:
            seen.sight = _begun(begun)
            seen.silent = 0
        alive = seen.sight.state == "running"
        seen.until = self._steady() + (ALIVE_SECONDS if alive else self._look_seconds)
        return seen.sight

    def stopped(self, call: str, app: str) -> Failure | None:
        """Why a call that is over was given up, with its last words; None where it was not.

        Args:
            call: Its id.
            app: Where it ran.
        """
        found = self._kept.get(stopped_name(call))
        if found is None:
            return None
        if found["name"] == CRASH_LOOP and "words" not in found:
            # a container that ends its call has no words of its own: the one before it died
            begun = self._kept.get(start_name(call)) or {}
            found = self._with_words(found, app, begun.get("before", ""))
            self._kept.put(stopped_name(call), found)
        return _failure(found)

    def _with_words(self, found: dict[str, Any], app: str, task: str) -> dict[str, Any]:
        """What is kept of a call that was given up, with the last words of a container of it."""
        return {**found, "words": list(last_words(app, self._environment, task))}

    def _unseen(self, call: str, claim: Claim, seen: _Seen) -> Sight:
        """A call whose container said nothing yet."""
        tasks = tasks_of(claim.app, self._environment)
        if tasks is not None:
            self._compare(tasks, seen)
        if seen.silent >= MOST_SILENT:
            said = f"call {call} is started again and again, and dies before it can say anything"
            found = {"name": CRASH_LOOP, "message": said, "fix": _lookup(claim.app)}
            return self._give_up(call, self._with_words(found, claim.app, seen.last))
        if seen.silent > 1:
            return Sight("crashing", starts=seen.silent)
        if seen.tasks:
            return Sight("starting", since=max(seen.tasks.values()))
        return self._queued(call, claim)

    def _compare(self, tasks: dict[str, float], seen: _Seen) -> None:
        """Sort the containers of the app of now, and count those that went without a word."""
        listed = {task: began for task, began in tasks.items() if began}
        for task in ({*listed, *seen.tasks}) - seen.others:
            if self._kept.get(task_name(task)) is not None:
                seen.others.add(task)
                seen.tasks.pop(task, None)
            elif task in listed:
                seen.tasks[task] = listed[task]
            else:
                del seen.tasks[task]
                seen.silent, seen.last = seen.silent + 1, task

    def _queued(self, call: str, claim: Claim) -> Sight:
        waited, most = self._clock() - claim.time, claim.queue_timeout
        if most is None or waited < most:
            return Sight("queued", since=claim.time, waits_for=claim.waits_for)
        said = (
            f"call {call} waited {waited:.0f} s for {claim.waits_for or 'a container'}, longer "
            f"than queue_timeout={most:g}, and was cancelled: it cost nothing"
        )
        fix = "another gpu=, or a longer queue_timeout="
        return self._give_up(call, {"name": QUEUE_TIMEOUT, "message": said, "fix": fix})

    def _give_up(self, call: str, found: dict[str, Any]) -> Sight:
        """Cancel a call, and keep why for whoever looks next."""
        self._kept.put(stopped_name(call), found)
        modal.FunctionCall.from_id(call).cancel()
        return Sight("failed", failure=_failure(found))

    @cached_property
    def _kept(self) -> modal.Dict:
        return modal.Dict.from_name(
            CLAIMS_NAME, environment_name=self._environment, create_if_missing=True
        )


def _begun(begun: dict[str, Any]) -> Sight:
    """A call whose container said that it is there."""
    if begun.get("alive"):
        return Sight("running", since=begun["alive"])
    count = int(begun["count"])
    return Sight("crashing" if count > 1 else "starting", since=begun["time"], starts=count)


def _failure(found: dict[str, Any]) -> Failure:
    waited = found["name"] == QUEUE_TIMEOUT
    kind = FailureClass.TRANSIENT if waited else FailureClass.PERMANENT
    words = "".join(f"\n  | {line}" for line in found.get("words", ()))
    return Failure(kind, found["name"], f"{found['message']}{words}", fix=found["fix"])


def _lookup(app: str) -> str:
    return f"what its containers say: modal app logs {app}; then mend the image, and run it again"
