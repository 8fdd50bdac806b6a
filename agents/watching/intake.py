"""The intake: events that arrive at the same time are made durable in one write.

A write that is synced takes as long for a hundred events as for one. Whoever sent an event is told
that it is kept when it is durable, not before.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from agents.errors import ActionFailed, GoapError, Transient
from agents.ledger.events import Event, utc_now
from agents.ledger.store import Ledger
from agents.watching.troubles import Troubles

__all__ = ["Intake", "Received"]

MOST_AT_ONCE = 256
RETRY_SECONDS = 0.1
GIVE_UP_SECONDS = 8.0
"""A sender such as GitHub waits ten seconds for an answer."""

Received = Callable[[Sequence[Event]], object]

_WHO = "webhooks"


@dataclass(frozen=True)
class _Waiting:
    """An event that somebody waits for, on this loop."""

    event: Event
    loop: asyncio.AbstractEventLoop
    kept: asyncio.Future[bool]
    since: float = field(default_factory=time.monotonic)


class Intake:
    """Writes events in a thread of its own, until it is closed.

    Args:
        ledger: Where they are kept.
        received: Called with those that are new, from that thread, when they are durable.
        told: Called with what a person should know.
        give_up_seconds: So long an event waits for a ledger that another process writes.
    """

    def __init__(
        self,
        ledger: Ledger,
        received: Received,
        told: Callable[[str], object] = lambda _: None,
        *,
        give_up_seconds: float = GIVE_UP_SECONDS,
    ) -> None:
        self._ledger, self._received = ledger, received
        self._give_up_seconds = give_up_seconds
        self._troubles = Troubles(told, utc_now)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="intake", daemon=True)
        self._thread.start()

    async def keep(self, event: Event) -> bool:
        """Return when an event is durable: whether it is new.

        Raises:
            GoapError: It cannot be kept now.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(event, loop, loop.create_future())
        self._queue.put(waiting)
        return await waiting.kept

    def close(self, seconds: float) -> None:
        """Keep what can be kept at once, refuse the rest, and wait so long for the end of that."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        for together in self._together():
            answers = self._keep(together)
            for waiting, answer in zip(together, answers, strict=True):
                waiting.loop.call_soon_threadsafe(_answer, waiting.kept, answer)
            new = [each.event for each, kept in zip(together, answers, strict=True) if kept is True]
            if new:
                self._received(new)

    def _together(self) -> Iterator[list[_Waiting]]:
        """What came while the write before went on, again and again."""
        while (first := self._queue.get()) is not None:
            together = [first]
            while len(together) < MOST_AT_ONCE and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                together.append(following)
            yield together

    def _keep(self, together: list[_Waiting]) -> Sequence[bool | Exception]:
        """For each whether it is new, or why it cannot be kept; all or none are kept."""
        while True:
            try:
                kept = self._ledger.receive_all([each.event for each in together])
            except Transient as error:  # another process writes: that takes a moment
                waited = time.monotonic() - together[0].since
                if waited > self._give_up_seconds or self._closing.is_set():
                    return self._refused(together, error)
                self._closing.wait(RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - whoever sent it should send it again
                return self._refused(together, error)
            else:
                self._troubles.over(_WHO)
                return kept

    def _refused(self, together: list[_Waiting], error: Exception) -> list[Exception]:
        self._troubles.met(_WHO, error)
        refusal = error if isinstance(error, GoapError) else ActionFailed(str(error))
        return [refusal] * len(together)


def _answer(kept: asyncio.Future[bool], answer: bool | Exception) -> None:
    if kept.done():  # whoever sent it went away
        return
    if isinstance(answer, Exception):
        kept.set_exception(answer)
    else:
        kept.set_result(answer)
