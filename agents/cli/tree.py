"""The live step tree on a terminal, drawn with rich."""

import threading
import time
from dataclasses import dataclass
from typing import Self

import click
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agents.cli.live import describe, progress_text
from agents.cli.output import duration
from agents.declare.actions import Progress
from agents.ledger.events import Event
from agents.ledger.payloads import (
    PlanMade,
    StepFailed,
    StepFinished,
    StepStarted,
    StepVerified,
)
from agents.ledger.redaction import redact
from agents.run.remaining import remaining

__all__ = ["TreeReporter"]

MOST_PENDING = 6


class TreeReporter:
    """What happened scrolls above; what runs is drawn below, ticking, with what is left."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._running: dict[str, _Running] = {}
        self._plan: PlanMade | None = None
        self._done: set[str] = set()
        # events come from the threads of the steps, and a refresh from a thread of its own;
        # it is never held while something is printed, which waits for a refresh
        self._lock = threading.Lock()
        # asked at each refresh: the time of a step goes on between its events
        self._live = Live(
            console=self._console,
            refresh_per_second=8,
            transient=True,
            get_renderable=self._tree,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()

    def event(self, event: Event) -> None:
        """Move a step in or out of the tree and print what happened."""
        with self._lock:
            match event.payload:
                case PlanMade() as plan:
                    self._plan, self._done = plan, set()
                case StepStarted(step=step, expected_seconds=expected):
                    self._running[step] = _Running(time.monotonic(), Spinner("dots"), expected)
                case StepVerified(step=step):
                    self._done.add(step)
                case StepFinished(step=step) | StepFailed(step=step):
                    self._running.pop(step, None)
        line = describe(event)
        if line and not isinstance(event.payload, StepStarted):
            self._console.print(Text.from_ansi(redact(line)))

    def progress(self, step: str, progress: Progress) -> None:
        """Keep how far a running step is; the next refresh shows it."""
        with self._lock:
            if step in self._running:
                self._running[step].progress = progress

    def _tree(self) -> Table:
        table, now = Table.grid(padding=(0, 1)), time.monotonic()
        with self._lock:
            for step, running in self._running.items():
                text = progress_text(running.progress) if running.progress else ""
                table.add_row(
                    running.spinner,
                    Text(step, style="bold blue"),
                    Text(duration(now - running.started), style="dim"),
                    Text(redact(click.unstyle(text))),
                )
            left = self._left(now)
        if left:
            table.add_row("", Text(left, style="dim"), "", "")
        return table

    def _left(self, now: float) -> str:
        """The steps that did not start yet, and when the last of them may have ended."""
        if self._plan is None or not self._running:
            return ""
        etas = {step: running.eta(now) for step, running in self._running.items()}
        pending, seconds = remaining(self._plan, self._done, etas)
        then = f"then {', '.join(pending[:MOST_PENDING])}" if pending else ""
        more = f" and {len(pending) - MOST_PENDING} more" if len(pending) > MOST_PENDING else ""
        eta = f"about {duration(seconds)} left" if seconds is not None else ""
        return redact(" · ".join(filter(None, [then + more, eta])))


@dataclass
class _Running:
    started: float
    spinner: Spinner
    expected: float | None
    progress: Progress | None = None

    def eta(self, now: float) -> float | None:
        """Seconds it still takes, as it says itself, or by what was expected of it."""
        if self.progress is not None and self.progress.eta_seconds is not None:
            return self.progress.eta_seconds
        return None if self.expected is None else max(0.0, self.expected - (now - self.started))
