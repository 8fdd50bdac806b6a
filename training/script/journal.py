"""What a training says while it runs: lines for people in training.log, rows in metrics.jsonl."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from training.script.lines import measured_line, progress_line, stamped
from training.store.directory import TrainingDirectory
from training.store.durable import disk_errors, write_whole
from training.store.result import Result
from training.track.tracking import TrackerName, tracking_of


class Journal:
    """Writes the lines and rows of one training.

    Args:
        directory: Where they go.
        console: Gets the lines too, unless it is training.log itself.
        quiet: Write nothing; for all processes but the first of several.
        now: The time of day.
        memory: Returns the gigabytes in use on the GPU; None without one.
        track: The tracker that shows the rows as well; None for no tracker.
        course: As for `training.track.tracking.tracking_of`.

    Raises:
        ConfigError: The tracker is not installed.
    """

    def __init__(
        self,
        directory: TrainingDirectory,
        *,
        console: TextIO | None = None,
        quiet: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        memory: Callable[[], float] | None = None,
        track: TrackerName | None = None,
        course: str = "",
    ) -> None:
        self._directory, self._quiet, self._now, self._memory = directory, quiet, now, memory
        self._console = sys.stderr if console is None else console
        self._tracking = tracking_of(
            None if quiet else track,
            directory,
            course,
            say=lambda how: self.info(f"Tracking with {track}; look at it with: {how}"),
            warn=self.warning,
        )

    def info(self, text: str) -> None:
        """Write a line."""
        self._line("INFO", text)

    def warning(self, text: str) -> None:
        """Write a line about something that a person may want to look at."""
        self._line("WARNING", text)

    def error(self, text: str) -> None:
        """Write a line about why the training ended."""
        self._line("ERROR", text)

    def progress(self, row: Mapping[str, float], target: int) -> None:
        """Write the line and the row of a window of steps."""
        self._row(row)
        self.info(progress_line(row, target, self._memory))

    def measured(self, step: int, found: Mapping[str, float]) -> None:
        """Write the line and the row of what was measured on the model at a step."""
        self._row({"step": step, **found})
        self.info(measured_line(step, found))

    def sampled(self, step: int, path: Path) -> None:
        """Tell the tracker of a sample grid."""
        self._tracking.picture(step, path)

    def start_over(self, step: int) -> None:
        """Forget rows after `step`, and a torn last one: those steps are about to be done again."""
        if self._quiet:
            return
        kept = [row for row in self._directory.metrics() if row.get("step", 0) <= step]
        text = "".join(json.dumps(row) + "\n" for row in kept)
        write_whole(self._directory.metrics_path, text)
        pictures = self._directory.sample_paths()
        self._tracking.begin(step, kept, {at: path for at, path in pictures.items() if at <= step})

    def ended(self, result: Result) -> None:
        """Write how the attempt ended."""
        for gate in result.gates:
            verdict = "passed" if gate.passed else "FAILED"
            say = self.info if gate.passed else self.error
            say(f"Gate {gate.name} {verdict}: {gate.value:.4g} {gate.direction} {gate.threshold:g}")
        say = self.error if result.status == "failed" else self.info
        reason = f": {result.failure.message}" if result.failure else ""
        say(f"Training {result.status} at step {result.step}/{result.target_step}{reason}")
        self._tracking.end(result)

    def _row(self, row: Mapping[str, float]) -> None:
        if self._quiet:
            return
        content = {**row, "time": self._now().timestamp()}
        path = self._directory.metrics_path
        with disk_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(content) + "\n")
        self._tracking.row(content)

    def _line(self, level: str, text: str) -> None:
        if self._quiet:
            return
        line = stamped(self._now(), level, text)
        shown = False
        # A full disk must not keep a failing training from saying on the console why it fails.
        with suppress(OSError), self._directory.log_path.open("a", encoding="utf-8") as file:
            shown = self._is_same(file)
            file.write(line)
        if not shown:
            self._console.write(line)
            self._console.flush()

    def _is_same(self, file: TextIO) -> bool:
        """Whether the console was redirected to the log file."""
        try:
            return os.path.sameopenfile(file.fileno(), self._console.fileno())
        except (OSError, ValueError):
            return False
