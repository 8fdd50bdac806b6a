"""The live step tree on a terminal, drawn with rich."""

import threading
import time
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
from agents.ledger.payloads import StepFailed, StepFinished, StepStarted
from agents.ledger.redaction import redact

__all__ = ["TreeReporter"]


class TreeReporter:
    """What happened scrolls above; what is running is drawn below and kept up to date."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._running: dict[str, tuple[float, Progress | None]] = {}
        self._spinners: dict[str, Spinner] = {}
        # events come from the threads of the steps
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._live.stop()

    def event(self, event: Event) -> None:
        """Move a step in or out of the tree and print what happened."""
        with self._lock:
            match event.payload:
                case StepStarted(step=step):
                    self._running[step] = (time.monotonic(), None)
                    self._spinners[step] = Spinner("dots")
                case StepFinished(step=step) | StepFailed(step=step):
                    self._running.pop(step, None)
            line = describe(event)
            if line and not isinstance(event.payload, StepStarted):
                self._console.print(Text.from_ansi(redact(line)))
            self._live.update(self._tree())

    def progress(self, step: str, progress: Progress) -> None:
        """Redraw a running step."""
        with self._lock:
            if step in self._running:
                self._running[step] = (self._running[step][0], progress)
                self._live.update(self._tree())

    def _tree(self) -> Table:
        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for step, (started, progress) in self._running.items():
            text = progress_text(progress) if progress else ""
            table.add_row(
                self._spinners[step],
                Text(step, style="bold blue"),
                Text(duration(now - started), style="dim"),
                Text(redact(click.unstyle(text))),
            )
        return table
