"""Telling a person once, also when the run is killed in between.

What is to be told is written to the ledger before it is sent, and that it was sent after it: what a
killed run did not send, the next one does.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from agents.declare.actions import Progress
from agents.errors import GoapError
from agents.ledger.events import Event, new_event, of_kind
from agents.ledger.payloads import PersonTold
from agents.ledger.store import Ledger
from agents.run.notices import Notice, Notices
from agents.run.reporter import Reporter

__all__ = ["Notifying"]

Send = Callable[[str, str], None]
"""Sends a title and a text; raises a `GoapError` that says why it could not."""

LAST_SECONDS = 30.0
"""How long the end of a run waits for what is still to be sent."""


class Notifying:
    """A reporter that tells another one everything, and a person somewhere else what matters.

    Args:
        reporter: Who is told everything.
        ledger: Keeps what was told.
        notices: What matters.
        send: Sends it.
        told: Is called with a line where it could not be sent.
    """

    def __init__(
        self,
        reporter: Reporter,
        ledger: Ledger,
        notices: Notices,
        send: Send,
        told: Callable[[str], object],
    ) -> None:
        self._reporter, self._ledger, self._notices = reporter, ledger, notices
        self._send, self._told = send, told
        self._waiting: queue.SimpleQueue[Notice | None] = queue.SimpleQueue()
        # sending takes seconds; the run goes on meanwhile
        self._sender = threading.Thread(target=self._work, name="notify", daemon=True)

    def __enter__(self) -> "Notifying":
        for notice in self._unsent():
            self._waiting.put(notice)
        self._sender.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._waiting.put(None)
        self._sender.join(LAST_SECONDS)

    def event(self, event: Event) -> None:
        """Pass it on; write down what is to be told of it."""
        notice = self._notices.of(event)
        if notice is not None and self._write(notice, sent=False):
            self._waiting.put(notice)
        self._reporter.event(event)

    def progress(self, step: str, progress: Progress) -> None:
        """Pass it on."""
        self._reporter.progress(step, progress)

    def _unsent(self) -> list[Notice]:
        """What an earlier run wrote down and did not send."""
        told = [
            each for _, each in of_kind(self._ledger.events(types=(PersonTold.kind,)), PersonTold)
        ]
        sent = {each.key for each in told if each.sent}
        return [Notice(each.key, each.title, each.text) for each in told if each.key not in sent]

    def _work(self) -> None:
        while (notice := self._waiting.get()) is not None:
            try:
                self._send(notice.title, notice.text)
                self._write(notice, sent=True)
            except GoapError as error:
                self._told(f"nobody could be told {notice.title!r}: {error.message}")

    def _write(self, notice: Notice, *, sent: bool) -> bool:
        """Whether it is new: nobody wrote it before."""
        payload = PersonTold(key=notice.key, title=notice.title, text=notice.text, sent=sent)
        identity = f"{'told' if sent else 'tell'} {notice.key}"
        with suppress(GoapError):  # a full disk: that is told by the run itself
            return self._ledger.receive(new_event(payload, subject=notice.key, id=identity))
        return False
