"""The report of a run: one HTML file that needs nothing else to be looked at."""

import base64
import html
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import click

from agents.declare.outcome import Outcome, Series
from agents.ledger.events import Event, of_kind
from agents.ledger.history import RunHistory
from agents.ledger.payloads import StepFinished
from agents.ledger.redaction import redact

__all__ = ["curve", "report_html"]

WIDTH, HEIGHT, MARGIN = 640, 220, 36
MOST_BYTES = 5_000_000
"""A picture larger than this is named, not shown."""


def report_html(run: RunHistory, roots: Sequence[Path] = ()) -> str:
    """The report as one HTML document.

    Args:
        run: The run as the ledger tells it.
        roots: Directories below which the pictures that steps produced may lie.
    """
    from jinja2 import StrictUndefined  # noqa: PLC0415 - only reports need it
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    template = resources.files("templates").joinpath("report.html.j2").read_text(encoding="utf-8")
    outcomes = [finished.outcome for _, finished in of_kind(run.events, StepFinished)]
    document = environment.from_string(template).render(
        run=run.data(),
        lines=[line for event in run.events if (line := _line(event))],
        pictures=_pictures(outcomes, roots),
        curves=[curve(each) for outcome in outcomes for each in outcome.series],
    )
    return redact(document)


def curve(series: Series) -> str:
    """One series as an inline SVG line, its first and last values written beside it.

    The markup holds only numbers and escaped names.
    """
    points = [(x, y) for x, y in series.points if math.isfinite(y)]
    (left, right), (low, high) = (_range(axis) for axis in zip(*points, strict=True))
    across, up = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    path = " ".join(
        f"{MARGIN + across * (x - left) / (right - left):.1f},"
        f"{HEIGHT - MARGIN - up * (y - low) / (high - low):.1f}"
        for x, y in points
    )
    name = html.escape(series.name)
    first, last = points[0], points[-1]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
        f'<polyline fill="none" stroke="currentColor" stroke-width="2" points="{path}"/>'
        f'<text x="{MARGIN}" y="18">{name}: {first[1]:.4g} at {first[0]:g} → '
        f"{last[1]:.4g} at {last[0]:g}</text>"
        f'<text x="4" y="{MARGIN}">{high:.3g}</text>'
        f'<text x="4" y="{HEIGHT - MARGIN}">{low:.3g}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 12}" text-anchor="end">{right:g}</text></svg>'
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low, low + 1.0)


def _line(event: Event) -> dict[str, str] | None:
    from agents.cli.live import describe  # noqa: PLC0415 - the same words as on the terminal

    text = describe(event)
    return None if text is None else {"time": event.time[11:19], "text": click.unstyle(text)}


def _pictures(outcomes: Sequence[Outcome], roots: Sequence[Path]) -> list[dict[str, str]]:
    pictures = []
    for outcome in outcomes:
        for artifact in outcome.artifacts:
            path = _inside(artifact.path, roots)
            if path is not None and path.suffix == ".png" and path.stat().st_size <= MOST_BYTES:
                data = base64.b64encode(path.read_bytes()).decode()
                pictures.append({"path": artifact.path, "data": f"data:image/png;base64,{data}"})
    return list({each["path"]: each for each in pictures}.values())


def _inside(name: str, roots: Sequence[Path]) -> Path | None:
    for root in roots:
        path = (root / name).resolve()
        if path.is_file() and path.is_relative_to(root.resolve()):
            return path
    return None
