"""What a script measures, as it measures it: rows, and whether its loss can become a model."""

import csv
import json
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from training.errors import FailureClass
from training.runner.ending import Failure
from training.runner.log import is_ours
from training.runner.order import Metrics, Order
from training.store.durable import disk_errors
from training.store.layout import ROWS_FILE
from training.store.metrics import row_of, rows_of

__all__ = ["Rows", "finite", "number"]

COLLAPSED_ROWS, COLLAPSED_STEPS = 5, 100
"""So many rows in a row with no loss at all, in the first steps: the target is its own input, or
nothing is learned. Later on it may be that all there is has been learned.
"""

NOTHING: Final = 1e-12
_MOST: Final = 1 << 20
"""Bytes of rows that are read in one look."""


def number(value: object) -> float | None:
    """A measured number; None where it is none.

    JSON has no NaN and no infinity, so the contract writes them as texts.

    >>> number(2), number("NaN"), number(True), number("red")
    (2.0, nan, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and value not in ("NaN", "Infinity", "-Infinity"):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def finite(numbers: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row by name, those too that are not finite; what is no number is left."""
    return {name: value for name, each in numbers.items() if (value := number(each)) is not None}


class Rows:
    """Reads the rows of one attempt as they are written.

    Args:
        order: Where they are written, and how.
        directory: The run directory.
        log: Where the script prints.
        log_at: How many bytes were there before it started.

    Attributes:
        step: The newest step.
        last: The newest value of each number.
        first_loss: The first loss of the training; `final_loss`: the newest.
        garbage: How many lines are no rows.
        fresh: The rows of the last look, with step and time.
    """

    def __init__(self, order: Order, directory: Path, log: Path, log_at: int = 0) -> None:
        metrics = order.metrics or Metrics()
        self._metrics = metrics
        self._copy = None
        self._pattern = re.compile(metrics.log.encode()) if metrics.log else None
        self._path = log if self._pattern else directory / (metrics.file or ROWS_FILE)
        self._at = log_at if self._pattern else 0
        # whoever looks at a training finds its rows in one place, whatever its script writes
        if self._path != directory / ROWS_FILE:
            self._copy = directory / ROWS_FILE
            self._at = max(self._at, self._path.stat().st_size if self._path.exists() else 0)
        self._header: list[str] | None = None
        self._zeros = 0
        self._by_step: dict[int, dict[str, float]] = {}
        self._times: dict[int, float] = {}
        self.fresh: list[dict[str, float]] = []
        self._inode = 0
        self.step = 0
        self.last: dict[str, float] = {}
        self.first_loss: float | None = None
        self.final_loss: float | None = None
        self.garbage = 0

    def begin(self, step: int) -> None:
        """Take in the rows of earlier attempts, whose losses ended them already.

        Args:
            step: That of the checkpoint which is continued from; rows after it are of steps that
                were lost, and do not count until they are written again.
        """
        if self._copy is None:
            while self.look() is not None:
                pass
        else:
            self._recall(self._copy)
        self._by_step = {each: row for each, row in self._by_step.items() if each <= step}
        self.last = {}
        for each in sorted(self._by_step):
            self.last |= self._by_step[each]
        self.step, self.final_loss, self._zeros, self.garbage = step, self.last.get("loss"), 0, 0

    def look(self) -> Failure | None:
        """Read what is new; a failure where the loss says that it is no use to go on.

        Of two rows for one step the later counts.
        """
        self.fresh = []
        for row in self._new():
            numbers = finite(row)
            step = numbers.pop("step", None)
            if step is None or not math.isfinite(step):
                self.garbage += 1
                continue
            when = numbers.pop("time", time.time())
            self._write(int(step), numbers)
            # a file that is written anew, without what was lost, says again what it said before
            if not numbers.items() <= self._by_step.get(int(step), {}).items():
                self._times[int(step)] = when
                self.fresh.append({"step": step, "time": when, **numbers})
            if (failure := self._take(int(step), numbers)) is not None:
                return failure
        return None

    def _write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Keep a row of a script that writes its rows elsewhere."""
        if self._copy is None:
            return
        shown = {name: _shown(each) for name, each in numbers.items()}
        line = json.dumps({"step": step, "time": round(time.time(), 3), **shown}) + "\n"
        with disk_errors(self._copy), self._copy.open("a", encoding="utf-8") as file:
            file.write(line)

    def _recall(self, path: Path) -> None:
        """Take in the rows that were kept in earlier attempts."""
        for row in rows_of(path.read_bytes() if path.exists() else b""):
            numbers = finite(row)
            if (step := numbers.pop("step", None)) is not None:
                self._times[int(step)] = numbers.pop("time", time.time())
                self._take(int(step), numbers)

    def history(self) -> list[dict[str, float]]:
        """What is known of each step, oldest first."""
        steps, now = sorted(self._by_step), time.time()
        return [{"step": s, "time": self._times.get(s, now), **self._by_step[s]} for s in steps]

    def at(self, step: int) -> dict[str, float]:
        """What was measured last up to a step."""
        found: dict[str, float] = {}
        for each in sorted(self._by_step):
            if each > step:
                break
            found |= self._by_step[each]
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _take(self, step: int, numbers: Mapping[str, float]) -> Failure | None:
        self.step = max(self.step, step)
        self.last |= numbers
        self._by_step.setdefault(step, {}).update(numbers)
        loss = numbers.get("loss")
        if loss is None:
            return None
        if not math.isfinite(loss):
            message = f"the loss is {loss} at step {step}"
            return Failure(FailureClass.NUMERIC, "loss_not_finite", message)
        self.final_loss = loss
        self.first_loss = loss if self.first_loss is None else self.first_loss
        self._zeros = self._zeros + 1 if abs(loss) <= NOTHING else 0
        if self._zeros >= COLLAPSED_ROWS and step <= COLLAPSED_STEPS:
            return Failure(
                FailureClass.NUMERIC,
                "loss_collapsed",
                f"the loss is {loss:g} at step {step}, {self._zeros} rows in a row: there is "
                "nothing to learn",
                fix="check that the target is not computed from the input alone",
            )
        return None

    def _new(self) -> Iterator[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                about = os.fstat(file.fileno())
                if about.st_size < self._at or self._inode not in (0, about.st_ino):
                    self._at, self._header = 0, None  # it was written anew
                self._inode = about.st_ino
                file.seek(self._at)
                content = file.read(_MOST)
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        if not whole and len(content) == _MOST:
            whole = content  # one line longer than anybody's
        self._at += len(whole)
        for line in whole.splitlines():
            if (row := self._row(line)) is not None:
                yield self._renamed(row)
        if len(content) == _MOST:
            yield from self._new()

    def _row(self, line: bytes) -> dict[str, Any] | None:
        if self._pattern is not None:
            match = None if is_ours(line) else self._pattern.search(line)
            return None if match is None else _texts(match.groupdict())
        if self._path.suffix == ".csv":
            values = next(csv.reader([line.decode(errors="replace")]), [])
            if self._header is None:
                self._header = values
                return None
            return _texts(dict(zip(self._header, values, strict=False)))
        row = row_of(line)
        self.garbage += row is None
        return row

    def _renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        if not self._metrics.columns:
            return row
        names = {"step": "step", "loss": "loss", **self._metrics.columns}
        return {name: row[there] for name, there in names.items() if there in row}


def _shown(value: float) -> float | str:
    """A number as the contract writes it: JSON has none that is not finite."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _texts(values: Mapping[str, str | bytes | None]) -> dict[str, Any]:
    """Numbers that were written as texts."""
    numbers: dict[str, Any] = {}
    for name, value in values.items():
        text = value.decode(errors="replace") if isinstance(value, bytes) else value
        try:
            numbers[name] = float((text or "").replace(",", ""))
        except ValueError:
            continue
    return numbers
