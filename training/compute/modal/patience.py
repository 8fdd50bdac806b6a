"""Waiting where the platform says that it is asked too often: longer each time, never in step.

The client itself waits as long as an answer says that it should, without any end. Here it does so
for a minute at most, and whoever waits longer than that is told why.
"""

import os
import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from training.errors import RateLimited

__all__ = ["Patience", "patient", "usual", "wait_for_a_minute_at_most"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST_SECONDS: Final = 60
_WAITING: ContextVar[bool] = ContextVar("waiting", default=False)
"""Whether whoever called this waits himself: two that wait would wait for each other's square."""


@dataclass(frozen=True)
class Patience:
    """How long is waited.

    Attributes:
        attempts: How often is asked.
        first: Seconds that are waited at most the first time; each time twice as long.
        sleep: Waits.
        drawn: A number between 0 and 1, another one each time.
    """

    attempts: int = 6
    first: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    drawn: Callable[[], float] = random.random

    def answer(self, asked: Callable[[], T]) -> T:
        """The first answer that is not to wait.

        Raises:
            RateLimited: There is none.
        """
        for attempt in range(self.attempts - 1):
            try:
                return asked()
            except RateLimited:
                # at least half of it: those who were refused together come back one by one
                self.sleep(self.first * 2**attempt * (0.5 + 0.5 * self.drawn()))
        return asked()


def patient(method: Callable[P, T]) -> Callable[P, T]:
    """A function that waits and asks again where it is asked too often."""

    @wraps(method)
    def waits(*args: P.args, **kwargs: P.kwargs) -> T:
        if _WAITING.get():
            return method(*args, **kwargs)
        mark = _WAITING.set(True)
        try:
            return usual().answer(lambda: method(*args, **kwargs))
        finally:
            _WAITING.reset(mark)

    return waits


def usual() -> Patience:
    """About half a minute in all."""
    return Patience(first=float(os.environ.get("GOAP_BACK_OFF_SECONDS", "1")))


def wait_for_a_minute_at_most() -> None:
    """Let the client wait no longer than that for whoever says when to come back."""
    os.environ.setdefault("MODAL_MAX_THROTTLE_WAIT", str(_MOST_SECONDS))
