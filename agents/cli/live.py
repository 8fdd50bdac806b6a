"""Showing a run while it happens: a live step tree on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from agents.cli.output import duration, money, paint, say
from agents.declare.actions import Progress
from agents.ledger.events import Event
from agents.ledger.payloads import (
    ApprovalUsed,
    FactsObserved,
    MoneyReserved,
    MoneySettled,
    Payload,
    PersonAwaited,
    PlanMade,
    RunStalled,
    StepFailed,
    StepFinished,
    StepNoted,
    StepStarted,
)
from agents.run.reporter import Reporter

__all__ = ["PlainReporter", "describe", "progress_text", "reporter_for"]

SECONDS_BETWEEN_LINES = 10.0
"""Without a terminal, progress is a line now and then, not a flood."""


def progress_text(progress: Progress) -> str:
    """``page 120/600 · 3 errors · 800 words/s · ETA 1 min 02 s``."""
    counted = f"{progress.unit} {progress.done:,}/{progress.total:,}"
    parts = [counted] if progress.total else []
    if progress.text:
        parts.append(progress.text)
    if progress.eta_seconds is not None:
        parts.append(f"ETA {duration(progress.eta_seconds)}")
    return " · ".join(parts)


def describe(event: Event) -> str | None:  # noqa: PLR0911 - one line per kind of event
    """One line for a person about an event, or None when it is not worth one."""
    match event.payload:
        case FactsObserved() as observed:
            return _observed(observed)
        case PlanMade() as plan:
            return _planned(plan)
        case StepStarted(step=step, attempt=attempt):
            again = f" (attempt {attempt})" if attempt > 1 else ""
            return paint(f"▶ {step}{again}", "blue")
        case StepNoted(text=text):
            return text or None
        case StepFinished(step=step, seconds=seconds, outcome=outcome):
            return paint(f"✓ {step}  {duration(seconds)}", "green") + f"  {outcome.summary}"
        case StepFailed() as failed:
            kind = f"{failed.failure_class}: {failed.name}"
            return paint(f"✗ {failed.step}  {kind}", "red") + f"  {failed.message}"
        case RunStalled() as stalled:
            return _stalled(stalled)
        case PersonAwaited() as awaited:
            return _awaited(awaited)
    return _about_money(event.payload)


def _about_money(payload: Payload) -> str | None:
    match payload:
        case MoneyReserved(action=action, usd=usd):
            most = "price unknown" if usd is None else f"at most {money(usd)}"
            return f"$ reserved for {action}: {most}"
        case MoneySettled(action=action, usd=usd, meter=meter):
            goes_on = ", and goes on" if meter is not None and meter.running else ""
            return f"$ {action} cost {money(usd)}{goes_on}"
        case ApprovalUsed(actions=actions):
            return f"approved by a person: {', '.join(actions)}"
    return None


def _observed(observed: FactsObserved) -> str:
    values = [reading.value for reading in observed.readings.values()]
    unknown = sum(value is None for value in values)
    text = f"observed {len(values)} facts: {sum(value is False for value in values)} false"
    return text + (f", {unknown} unknown" if unknown else "")


def _planned(plan: PlanMade) -> str:
    steps = ", ".join(step.id for step in plan.steps)
    again = "planned again" if plan.because else "plan"
    return f"{again} {plan.digest[:12]}: {steps} (~{duration(plan.seconds)})"


def _awaited(awaited: PersonAwaited) -> str:
    text = paint(f"… waiting up to {duration(awaited.seconds)} for a person", "yellow")
    return "\n    ".join([f"{text}: {awaited.message}", *awaited.fix.splitlines()])


def _stalled(stalled: RunStalled) -> str:
    tried = ", ".join(
        f"{each.action} {each.times} x ({each.failure_class}: {each.name})"
        for each in stalled.tried
    )
    return paint("stalled", "red") + f": nothing is left to try; tried {tried}"


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
