"""What a training says while it runs: lines for people on stdout, rows in metrics.jsonl."""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from training.contract import Run
from training.store.durable import disk_errors

__all__ = ["RunLines"]


class RunLines:
    """The lines and rows of a script; whoever started it keeps what it prints.

    Args:
        run: What it was given.
        memory: Returns the gigabytes in use on the GPU; None without one.
    """

    def __init__(self, run: Run, memory: Callable[[], float] | None = None) -> None:
        self._run, self._memory = run, memory

    def info(self, text: str) -> None:
        """Say a line."""
        self._line("INFO", text)

    def warning(self, text: str) -> None:
        """Say a line about something that a person may want to look at."""
        self._line("WARNING", text)

    def progress(self, row: Mapping[str, float], target: int) -> None:
        """Give the line and the row of a window of steps."""
        self._row(row)
        parts = [
            f"Step {row['step']}/{target}",
            f"Loss: {row['loss']:.4f}",
            f"LR: {row['lr']:.2e}",
            f"Speed: {row['steps_per_second']:.1f} steps/s",
        ]
        if self._memory is not None:
            parts.append(f"GPU Mem: {self._memory():.1f} GB")
        self.info(" | ".join(parts))

    def measured(self, step: int, found: Mapping[str, float]) -> None:
        """Give the line and the row of what was measured on the model at a step."""
        self._row({"step": step, **found})
        text = " | ".join(f"{name}: {value:.4f}" for name, value in found.items())
        self.info(f"Step {step} | {text}")

    def _row(self, row: Mapping[str, float]) -> None:
        numbers = {name: value for name, value in row.items() if name != "step"}
        with disk_errors(self._run.directory):
            self._run.log(int(row["step"]), **numbers)

    def _line(self, level: str, text: str) -> None:
        if self._run.rank == 0:
            sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} | {level:<7} | {text}\n")
            sys.stdout.flush()
