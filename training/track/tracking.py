"""Experiment trackers: the rows of a training, shown in TensorBoard or MLflow as well.

``metrics.jsonl`` is the record and is always written; a tracker shows a copy of it. So a tracker
may fail, be slow or be switched on late, and nothing is lost.
"""

import fcntl
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from training.runner.ending import Ending
from training.runner.order import Order
from training.store.durable import directory_lock
from training.store.layout import LocalLayout
from training.track.names import TrackerName, require

__all__ = ["Row", "Tracker", "Tracking", "tracking_of"]

Row = Mapping[str, float]
"""A row of ``metrics.jsonl``: `step`, `time` (seconds since 1970) and numbers by name."""

PATIENCE_SECONDS = 20.0
"""A training that is over waits this long at most for its tracker to write the rest."""


class Tracker(Protocol):
    """Shows a training to people. Used by one thread; may raise whatever it likes."""

    def begin(self, step: int, rows: Sequence[Row], pictures: Mapping[int, Path]) -> str:
        """Go on after `step`, and return how to look at it.

        Afterwards each of these rows is shown once, also those of earlier attempts.

        Args:
            step: The steps done when the attempt begins.
            rows: The rows up to there.
            pictures: The sample grids up to there, by step.
        """

    def row(self, row: Row) -> None:
        """Show one more row."""

    def picture(self, step: int, path: Path) -> None:
        """Show a sample grid."""

    def end(self, ending: Ending) -> None:
        """Show how the attempt ended, and write everything out."""


def tracking_of(
    name: TrackerName | None,
    layout: LocalLayout,
    order: Order,
    course: str,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> "Tracking":
    """The tracker that was asked for, ready to begin; one that does nothing for None.

    Args:
        name: The tracker.
        layout: Where the training is.
        order: What is trained.
        course: What makes the same step of the same training another one: a lower rate.
        say: Told how to look at it.
        warn: Told once if it fails.

    Raises:
        ConfigError: It is not installed.
    """
    if name is None:
        return Tracking("no tracker", None, say, warn)
    require(name)
    # What is trained here is nobody else's business: MLflow reports its use unless told not to.
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    return Tracking(name, lambda: _only(name, layout, order, course), say, warn, PATIENCE_SECONDS)


@contextmanager
def _only(name: TrackerName, layout: LocalLayout, order: Order, course: str) -> Iterator[Tracker]:
    """The one tracker of a training: an earlier attempt's, left alone, may still write its rows."""
    with directory_lock(layout.path, fcntl.LOCK_EX):
        yield _made(name, layout, order, course)


def _made(name: TrackerName, layout: LocalLayout, order: Order, course: str) -> Tracker:
    if name == "tensorboard":
        from training.track.tensorboard import TensorBoard  # noqa: PLC0415 - an optional extra

        return TensorBoard(layout, order)
    from training.track.mlflow import MLflow  # noqa: PLC0415 - an optional extra

    return MLflow(layout, order, course)


class Tracking:
    """Uses a tracker from a thread of its own, and leaves it out as soon as it fails.

    Nothing here raises, and only `end` waits.

    Args:
        name: The tracker's, for messages.
        make: Makes the tracker, in the thread: importing it costs the training no time. It is left
            when the last order is done. None: there is none.
        say: Told how to look at it.
        warn: Told once if the tracker fails or is too slow.
        patience: The most seconds that `end` waits.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], AbstractContextManager[Tracker]] | None,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._name, self._make, self._say, self._warn = name, make, say, warn
        self._patience = patience
        self._orders: queue.SimpleQueue[Callable[[Tracker], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, step: int, rows: Sequence[Row], pictures: Mapping[int, Path]) -> None:
        """As `Tracker.begin`."""
        if self._make is None:
            return
        # A daemon: a tracker that hangs must not keep a finished training alive.
        self._thread = threading.Thread(
            target=self._work, args=(self._make,), name=self._name, daemon=True
        )
        self._orders.put(lambda tracker: self._say(tracker.begin(step, rows, pictures)))
        self._thread.start()

    def row(self, row: Row) -> None:
        """As `Tracker.row`."""
        self._order(lambda tracker: tracker.row(row))

    def picture(self, step: int, path: Path) -> None:
        """As `Tracker.picture`."""
        self._order(lambda tracker: tracker.picture(step, path))

    def end(self, ending: Ending) -> None:
        """As `Tracker.end`; waits until everything is written, or patience ends."""
        self._order(lambda tracker: tracker.end(ending))
        self._order(None)
        if self._thread is not None:
            self._thread.join(self._patience)
            if self._thread.is_alive():
                self._warn(f"{self._name} is not done after {self._patience:g} s and is left alone")

    def _order(self, order: Callable[[Tracker], None] | None) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._orders.put(order)

    def _work(self, make: Callable[[], AbstractContextManager[Tracker]]) -> None:
        try:
            with make() as tracker:
                while (order := self._orders.get()) is not None:
                    order(tracker)
        except Exception as error:  # noqa: BLE001 - whatever a tracker does, the training goes on
            reason = str(error).strip().partition("\n")[0]
            self._warn(
                f"{self._name} failed and is left out: {type(error).__name__}: {reason}; "
                "metrics.jsonl has every row"
            )
