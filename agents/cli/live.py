"""Showing a run while it happens: a live step tree on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click

from agents.cli.output import duration, money, paint, say
from agents.declare.actions import Progress
from agents.ledger.events import Event
from agents.run.reporter import Reporter

__all__ = ["PlainReporter", "describe", "progress_text", "reporter_for"]

SECONDS_BETWEEN_LINES = 10.0
"""Without a terminal, progress is a line now and then, not a flood."""


def progress_text(progress: Progress) -> str:
    """``step 120/600 · loss 0.2310 · 800 images/s · ETA 1 min 02 s``."""
    parts = [f"{progress.unit} {progress.done:,}/{progress.total:,}"]
    if progress.text:
        parts.append(progress.text)
    if progress.eta_seconds is not None:
        parts.append(f"ETA {duration(progress.eta_seconds)}")
    return " · ".join(parts)


def describe(event: Event) -> str | None:
    """One line for a person about an event, or None when it is not worth one."""
    data = event.data
    describers: dict[str, Callable[[dict[str, Any]], str | None]] = {
        "facts.observed": _observed,
        "plan.made": _planned,
        "step.finished": _finished,
        "step.failed": _failed,
        "step.noted": lambda each: each.get("text"),
        "money.reserved": lambda each: f"$ reserved for {each['action']}: {_at_most(each['usd'])}",
        "money.settled": lambda each: f"$ {each['action']} cost {money(each['usd'])}",
        "approval.used": lambda each: f"approved by a person: {', '.join(each['actions'])}",
        "person.awaited": _awaited,
        "run.stalled": _stalled,
    }
    if event.type == "step.started":
        attempt = f" (attempt {data['attempt']})" if data.get("attempt", 1) > 1 else ""
        return paint(f"▶ {data['step']}{attempt}", "blue")
    describer = describers.get(event.type)
    return describer(data) if describer else None


def _observed(data: dict[str, Any]) -> str:
    values = [reading["value"] for reading in data["readings"].values()]
    unknown = values.count("unknown")
    text = f"observed {len(values)} facts: {values.count('false')} false"
    return text + (f", {unknown} unknown" if unknown else "")


def _planned(data: dict[str, Any]) -> str:
    steps = [step["id"] for step in data["steps"]]
    again = "planned again" if data["because"] else "plan"
    return f"{again} {data['digest'][:12]}: {', '.join(steps)} (~{duration(data['seconds'])})"


def _finished(data: dict[str, Any]) -> str:
    text = f"✓ {data['step']}  {duration(data['seconds'])}"
    return paint(text, "green") + f"  {data['outcome']['summary']}"


def _at_most(usd: float | None) -> str:
    return "price unknown" if usd is None else f"at most {money(usd)}"


def _awaited(data: dict[str, Any]) -> str:
    text = paint(f"… waiting up to {duration(data['seconds'])} for a person", "yellow")
    lines = [f"{text}: {data['message']}", *data["fix"].splitlines()]
    return "\n    ".join(lines)


def _stalled(data: dict[str, Any]) -> str:
    tried = ", ".join(
        f"{each['action']} {each['times']} x ({each['class']}: {each['name']})"
        for each in data["tried"]
    )
    return paint("stalled", "red") + f": nothing is left to try; tried {tried}"


def _failed(data: dict[str, Any]) -> str:
    return (
        paint(f"✗ {data['step']}  {data['class']}: {data['name']}", "red") + f"  {data['message']}"
    )


class PlainReporter:
    """Plain lines, for logs and for readers that are programs."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def event(self, event: Event) -> None:
        """Print the event's line."""
        line = describe(event)
        if line:
            say(f"{event.time[11:19]}  {click.unstyle(line)}")

    def progress(self, step: str, progress: Progress) -> None:
        """Print a progress line, at most one per step every few seconds."""
        now = time.monotonic()
        if now - self._last.get(step, -SECONDS_BETWEEN_LINES) >= SECONDS_BETWEEN_LINES:
            self._last[step] = now
            say(f"{time.strftime('%H:%M:%S', time.gmtime())}  · {step}  {progress_text(progress)}")


@contextmanager
def reporter_for(stream: TextIO = sys.stderr) -> Iterator[Reporter]:
    """The reporter that suits ``stream``."""
    if not stream.isatty():
        yield PlainReporter()
        return
    from agents.cli.tree import TreeReporter  # noqa: PLC0415 - rich only where there is a terminal

    with TreeReporter() as reporter:
        yield reporter
