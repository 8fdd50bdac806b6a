"""One flag for everything that asks a training to stop: signals, the deadline, whoever calls.

A runner looks at it between two looks at its script; our own script looks between two steps, so a
step is finished and the state saved.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["SIGNALS", "Stop"]

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stop:
    """Whether a training was asked to stop, and by what.

    Args:
        deadline_seconds: Seconds from now after which it is; None for never.
        clock: Monotonic seconds.
    """

    def __init__(
        self, deadline_seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._seconds = clock, deadline_seconds
        self._deadline = None if deadline_seconds is None else clock() + deadline_seconds
        self._reason: str | None = None

    @classmethod
    def at(cls, deadline: float | None) -> "Stop":
        """One whose deadline is at that time, in seconds since 1970; without one for None."""
        return cls(None if deadline is None else max(0.001, deadline - time.time()))

    @property
    def reason(self) -> str | None:
        """Why to stop, in a few words; None to go on."""
        if self._reason is None and self._deadline is not None and self._clock() >= self._deadline:
            self._reason = f"deadline of {self._seconds:g} seconds"
        return self._reason

    @property
    def deadline(self) -> float | None:
        """When the deadline is, in seconds since 1970; None without one."""
        return None if self._deadline is None else time.time() + self._deadline - self._clock()

    @property
    def last_second(self) -> str:
        """The deadline as a script reads it; empty without one."""
        return "" if self.deadline is None else str(math.ceil(self.deadline))

    def ask(self, reason: str) -> None:
        """Ask the training to stop; the first reason is kept."""
        self._reason = self._reason or reason

    @contextmanager
    def listening(self) -> Iterator["Stop"]:
        """Let SIGTERM, SIGINT and SIGHUP ask; afterwards the old handlers are back.

        Outside the main thread Python cannot take signals; the flag then only knows its deadline.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._take) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.ask(signal.Signals(number).name)
