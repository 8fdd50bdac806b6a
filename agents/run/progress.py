"""How far the running steps are, kept in a file, for whoever asks from another process.

The ledger has no event for it: it would be thousands. What is kept is a copy for people; a run
whose disk is full goes on without it.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents.declare.actions import Progress
from agents.ledger.events import Event
from agents.ledger.payloads import RunFinished, StepFailed, StepFinished
from agents.ledger.redaction import redacted
from agents.run.reporter import Reporter

__all__ = ["Kept", "kept_progress"]

FOLDER = "progress"
SECONDS_BETWEEN = 1.0


class Kept:
    """A reporter that tells another one, and keeps how far each step is.

    Args:
        reporter: Who is told everything.
        state: The state directory.
        run: Whose steps they are.
        clock: Seconds, for how often it is written.
    """

    def __init__(
        self,
        reporter: Reporter,
        state: Path,
        run: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reporter, self._path, self._clock = reporter, _path(state, run), clock
        self._steps: dict[str, dict[str, Any]] = {}
        self._written = -SECONDS_BETWEEN

    def event(self, event: Event) -> None:
        """Pass it on; forget a step that ended."""
        match event.payload:
            case StepFinished(step=step) | StepFailed(step=step):
                self._steps.pop(step, None)
                self._written = -SECONDS_BETWEEN
            case RunFinished():
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)
        self._reporter.event(event)

    def progress(self, step: str, progress: Progress) -> None:
        """Pass it on; keep it, at most once a second."""
        self._steps[step] = progress._asdict()
        if self._clock() - self._written >= SECONDS_BETWEEN:
            self._written = self._clock()
            with suppress(OSError):
                self._write()
        self._reporter.progress(step, progress)

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".new")
        aside.write_text(json.dumps(redacted(dict(self._steps))), encoding="utf-8")
        os.replace(aside, self._path)  # noqa: PTH105 - whoever reads finds the whole of one


def kept_progress(state: Path, run: str) -> dict[str, Progress]:
    """How far each running step of a run was a moment ago; empty where nothing is known."""
    try:
        said = json.loads(_path(state, run).read_text(encoding="utf-8"))
        return {str(step): Progress(**each) for step, each in said.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _path(state: Path, run: str) -> Path:
    return state / FOLDER / f"{run}.json"
