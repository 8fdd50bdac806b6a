"""How much a search may use, and the stop that every stage of it listens to."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Budget", "Limits", "Stopped"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call of the planner may use.

    Attributes:
        seconds: Wall-clock time; `None` for no limit.
        expansions: States whose successors may be computed; `None` for no limit.
        states: States that may be held in memory; a state takes about a kilobyte.
        clock: Where the time comes from, in seconds.
    """

    seconds: float | None = 10.0
    expansions: int | None = None
    states: int = 1_000_000
    clock: Callable[[], float] = field(default=time.perf_counter, compare=False, repr=False)


class Stopped(Exception):
    """A limit was reached: a signal, not an error, as what was found so far is the answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Budget:
    """Counts what is used and raises `Stopped` where a limit is reached."""

    def __init__(self, limits: Limits, cancel: threading.Event | None = None) -> None:
        self.limits = limits
        self.cancel = cancel
        self.clock = limits.clock
        self.started = self.clock()
        self.deadline = None if limits.seconds is None else self.started + limits.seconds
        self._most = limits.expansions
        self.expanded = 0
        self.generated = 0
        self.evaluated = 0
        self.seconds: dict[str, float] = {}
        self._stage_started = self.started

    def stage_done(self, name: str) -> None:
        """Book the time since the last stage ended under a name."""
        now = self.clock()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._stage_started
        self._stage_started = now

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return self.clock() - self.started

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """Inside, only this share of the remaining time may be used."""
        kept = self.deadline
        if kept is not None:
            self.deadline = self.clock() + share * max(0.0, self.remaining())
        try:
            yield
        finally:
            self.deadline = kept

    def remaining(self) -> float:
        """Seconds left before the deadline; infinite without one."""
        return float("inf") if self.deadline is None else self.deadline - self.clock()

    @contextmanager
    def at_most(self, expansions: int) -> Iterator[None]:
        """Inside, only so many states may be expanded."""
        kept = self._most
        self._most = (
            self.expanded + expansions if kept is None else min(kept, self.expanded + expansions)
        )
        try:
            yield
        finally:
            self._most = kept

    def used_up(self) -> bool:
        """Whether the next expansion would be refused, outside of any `at_most`."""
        limit = self.limits.expansions
        if limit is not None and self.expanded >= limit:
            return True
        try:
            self.check()
        except Stopped:
            return True
        return False

    def check(self) -> None:
        """Raise `Stopped` if the time is up or the caller cancelled."""
        if self.cancel is not None and self.cancel.is_set():
            raise Stopped("cancelled")
        if self.deadline is not None and self.clock() >= self.deadline:
            raise Stopped("time")

    def expand(self) -> None:
        """Count one expansion, before it happens."""
        if self._most is not None and self.expanded >= self._most:
            raise Stopped("expansions")
        self.check()
        self.expanded += 1

    def hold(self, states: int) -> None:
        """Raise `Stopped` if more states are held than may be."""
        if states > self.limits.states:
            raise Stopped("memory")
