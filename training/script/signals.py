"""One flag for everything that asks a training to stop: signals and the deadline.

The loop looks at the flag between steps, so a step is finished, the state saved, and the run ends
as `interrupted`.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from training.contract import Run

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def seconds_left(run: Run) -> float | None:
    """Seconds until the deadline of a script; None without one."""
    return None if run.deadline is None else max(0.001, run.deadline - time.time())


class StopFlag:
    """Whether the training was asked to stop, and by what.

    Args:
        deadline_seconds: Seconds from now after which the flag is up by itself; None for never.
        clock: Monotonic seconds.
    """

    def __init__(
        self, deadline_seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._seconds = deadline_seconds
        self._deadline = None if deadline_seconds is None else clock() + deadline_seconds
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why to stop, in a few words; None to go on."""
        if self._reason is None and self._deadline is not None and self._clock() >= self._deadline:
            self._reason = f"deadline of {self._seconds:g} seconds"
        return self._reason

    def stop(self, reason: str) -> None:
        """Ask the training to stop; the first reason is kept."""
        self._reason = self._reason or reason

    @contextmanager
    def listening(self) -> Iterator["StopFlag"]:
        """Let SIGTERM, SIGINT and SIGHUP raise the flag; afterwards the old handlers are back.

        Outside the main thread Python cannot take signals; the flag then only knows its deadline.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._take) for number in STOP_SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.stop(signal.Signals(number).name)
