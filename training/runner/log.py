"""``training.log``: the runner's lines, and between them whatever the script prints, unchanged."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from training.store.durable import append_line

__all__ = ["Log", "is_ours"]

_OURS: Final = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \| (INFO   |WARNING|ERROR  ) \| ")


def is_ours(line: bytes) -> bool:
    """Whether a line was written in the runner's format, and not printed by a script."""
    return _OURS.match(line) is not None


class Log:
    """Writes lines as ``2026-02-28 12:45:30 | INFO    | …``.

    Args:
        path: The log.
        now: The time of day.
        console: Gets the lines too, where somebody reads that; None: nobody does.
    """

    def __init__(
        self,
        path: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        console: Callable[[str], object] | None = None,
    ) -> None:
        self._path, self._now, self._console = path, now, console
        self._offset = path.stat().st_size if path.exists() else 0

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    @property
    def began_at(self) -> int:
        """How many bytes were there before this attempt."""
        return self._offset

    def info(self, text: str) -> None:
        """Write a line."""
        self._line("INFO", text)

    def warning(self, text: str) -> None:
        """Write a line about something that a person may want to look at."""
        self._line("WARNING", text)

    def error(self, text: str) -> None:
        """Write a line about why the training ended."""
        self._line("ERROR", text)

    def said(self, most: int = 1 << 16) -> list[str]:
        """The lines that the script printed in this attempt, of its last `most` bytes."""
        with suppress(OSError), self._path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(self._offset, end - most))
            lines = (line for line in file.read().splitlines() if not is_ours(line))
            return [text for line in lines if (text := line.decode(errors="replace").rstrip())]
        return []

    def _line(self, level: str, text: str) -> None:
        for each in text.splitlines() or [""]:
            line = f"{self._now():%Y-%m-%d %H:%M:%S} | {level:<7} | {each}"
            # a full disk must not keep a training from ending with its name
            with suppress(OSError):
                append_line(self._path, line.encode(errors="replace"), sync=False)
            if self._console is not None:
                self._console(line + "\n")
