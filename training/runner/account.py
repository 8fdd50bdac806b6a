"""What a training cost so far, written on the volume by whoever used the hardware.

A line is durable before the script starts, at least every minute while it runs, and at its end. So
a kill loses one heartbeat at most, and nobody has to ask a clock of somebody else.
"""

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from training.errors import TrainingError
from training.runner.nodes import Node
from training.store.durable import append_line, disk_errors

__all__ = [
    "HEARTBEAT_SECONDS",
    "Account",
    "Rented",
    "Use",
    "dollars_of",
    "is_open",
    "newest_of",
    "total_seconds",
    "uses_of",
]

HEARTBEAT_SECONDS: Final = 30.0
SECONDS_PER_HOUR: Final = 3600

State: TypeAlias = Literal["started", "running", "ended"]


@dataclass(frozen=True)
class Use:
    """One line: hardware that an attempt used until then.

    Attributes:
        attempt: Its number, from 1.
        call: The platform's name of the call; empty where there is no platform.
        gpu: What was asked for; `device`, what was there.
        began: When the hardware began to be ours, seconds since 1970.
        seconds: Since then.
        usd_per_hour: What an hour of it cost, as was known at its start: the least, the expected,
            the most; None: nobody knew.
        rank: Which of several machines it is.
    """

    attempt: int
    call: str
    state: State
    gpu: str
    device: str
    began: float
    seconds: float
    usd_per_hour: tuple[float, float, float] | None = None
    rank: int = 0


@dataclass(frozen=True)
class Rented:
    """The hardware of one attempt, as whoever starts it knows it.

    Attributes:
        call: The platform's name of the call; empty where there is no platform.
        gpu: What was asked for.
        began: When it began to be ours, seconds since 1970; None: now.
        usd_per_hour: What an hour of it costs: the least, the expected, the most; None: not known.
    """

    call: str = ""
    gpu: str = ""
    began: float | None = None
    usd_per_hour: tuple[float, float, float] | None = None


class Account:
    """Writes the lines of one attempt.

    Args:
        path: The account of the training.
        attempt: The number of the attempt.
        rented: Its hardware.
        device: What is there.
        heartbeat: Seconds between two lines.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        path: Path,
        attempt: int,
        rented: Rented,
        *,
        device: str = "",
        heartbeat: float = HEARTBEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        now = time.time()
        self._path, self._heartbeat, self._clock = path, heartbeat, clock
        self._began = now if rented.began is None else rented.began
        self._zero = clock() - max(0.0, now - self._began)
        self._beside: tuple[Use, ...] = ()
        self._use = Use(
            attempt,
            rented.call,
            "started",
            rented.gpu,
            device,
            round(self._began, 3),
            0.0,
            rented.usd_per_hour,
        )
        self._last = clock()
        self._lock = threading.Lock()
        self._fresh, self._ended = False, False
        self._error: Exception | None = None
        self._write("started")

    @property
    def seconds(self) -> float:
        """Of this attempt until now."""
        return self._clock() - self._zero

    def beside(self, others: Iterable[Node]) -> None:
        """Keep the account of the machines beside this one as well, from now on."""
        with self._lock:
            self._beside = tuple(
                dataclasses.replace(
                    self._use, rank=each.rank, began=round(each.began, 3), device=each.device
                )
                for each in others
            )
            self._write("running" if self._fresh else "started")

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Write a line whenever it is time, also while whoever carries the training is busy.

        To seal, read again or commit checkpoints of many gigabytes takes longer than a heartbeat.
        """
        over = threading.Event()

        def beats() -> None:
            while not over.wait(max(0.01, self._heartbeat - (self._clock() - self._last))):
                try:
                    self._tick()
                except (OSError, TrainingError) as error:  # `beat` says it
                    self._error = error

        thread = threading.Thread(target=beats, name="account", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def beat(self) -> bool:
        """Write a line when it is time; whether there is a new one since this was asked last.

        Raises:
            DiskFull: There is no room for it, or was none since this was asked last.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error
        self._tick()
        fresh, self._fresh = self._fresh, False
        return fresh

    def end(self) -> None:
        """Write the last line."""
        with self._lock:
            self._ended = True
            self._write("ended")

    def _tick(self) -> None:
        with self._lock:
            if not self._ended and self._clock() - self._last >= self._heartbeat:
                self._write("running")
                self._fresh = True

    def _write(self, state: State) -> None:
        self._last = self._clock()
        for use in (self._use, *self._beside):
            seconds = max(0.0, self.seconds + self._use.began - use.began)
            line = dataclasses.replace(use, state=state, seconds=round(seconds, 3))
            with disk_errors(self._path):
                append_line(self._path, json.dumps(dataclasses.asdict(line)).encode())


def uses_of(content: bytes) -> list[Use]:
    """Every whole line of an account, oldest first; a torn one is passed over."""
    uses = []
    for line in content.splitlines(keepends=True):
        try:
            stored = json.loads(line) if line.endswith(b"\n") else None
            uses.append(Use(**stored)) if isinstance(stored, Mapping) else None
        except (ValueError, TypeError):
            continue
    return uses


def total_seconds(uses: Iterable[Use]) -> float:
    """Seconds of hardware of all attempts together.

    >>> use = Use(1, "", "running", "", "", 0.0, 30.0)
    >>> total_seconds([use, dataclasses.replace(use, seconds=60.0),
    ...                dataclasses.replace(use, attempt=2, seconds=5.0)])
    65.0
    """
    return sum(use.seconds for use in newest_of(uses))


def dollars_of(uses: Iterable[Use]) -> tuple[float, float, float] | None:
    """Dollars for it: the least, the expected, the most; None where a rate is not written down.

    >>> use = Use(1, "", "running", "T4", "", 0.0, 1800.0, (1.0, 2.0, 4.0))
    >>> dollars_of([use]), dollars_of([use, dataclasses.replace(use, attempt=2, usd_per_hour=None)])
    ((0.5, 1.0, 2.0), None)
    """
    sums = [0.0, 0.0, 0.0]
    for use in newest_of(uses):
        if use.usd_per_hour is None:
            return None
        for place, rate in enumerate(use.usd_per_hour):
            sums[place] += rate * use.seconds / SECONDS_PER_HOUR
    return sums[0], sums[1], sums[2]


def is_open(uses: Iterable[Use]) -> bool:
    """Whether the hardware of some attempt may be used still: nobody wrote its last line."""
    return any(use.state != "ended" for use in newest_of(uses))


def newest_of(uses: Iterable[Use]) -> list[Use]:
    """Of each attempt, and machine of it, the line that counts most: what it used until then."""
    newest: dict[tuple[int, str, float, int], Use] = {}
    for use in uses:
        name = (use.attempt, use.call, use.began, use.rank)
        if name not in newest or use.seconds >= newest[name].seconds:
            newest[name] = use
    return list(newest.values())
