"""Waiting for what only a person can do, such as logging in."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agents.declare.facts import WorldState, statements
from agents.errors import Interrupted, Unauthenticated
from agents.ledger.payloads import PersonAwaited

__all__ = ["LoginWait"]

FIRST_RETRY_SECONDS = 15.0
LONGEST_RETRY_SECONDS = 60.0
"""How often a log-in is tried while waiting for it, where no sensor shows it."""


@dataclass
class LoginWait:
    """The wait for a person to log in: once in a run, and for so many seconds at most.

    Attributes:
        wait: Seconds to wait; 0: not at all.
        poll: Seconds between two looks.
        stop: Ends the waiting.
        record: Appends an event that says this.
    """

    wait: float
    poll: float
    stop: threading.Event
    record: Callable[[PersonAwaited], object]
    _until: float | None = None
    _retry_seconds: float = FIRST_RETRY_SECONDS

    def is_worth_a_try(
        self, error: Unauthenticated, before: WorldState, look: Callable[[], WorldState]
    ) -> bool:
        """Wait until something changed, or it is time to try again; False when the time is up.

        Raises:
            Interrupted: ``stop`` was set.
        """
        now = time.monotonic()
        if self._until is None:
            if not self.wait:
                return False
            self._until = now + self.wait
            self._retry_seconds = min(FIRST_RETRY_SECONDS, 8 * self.poll)
            self.record(PersonAwaited(message=error.message, fix=error.fix, seconds=self.wait))
        retry = now + self._retry_seconds
        while (left := self._until - time.monotonic()) > 0:
            if self.stop.wait(min(self.poll, left)):
                raise Interrupted("stopped on request", fix="run the same command to continue")
            if statements(look()) != statements(before) or time.monotonic() >= retry:
                self._retry_seconds = min(2 * self._retry_seconds, LONGEST_RETRY_SECONDS)
                return True
        return False
