"""The lines of metrics.jsonl."""

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["row_of", "rows_of"]


def rows_of(content: bytes) -> Iterator[dict[str, Any]]:
    """Every whole line, oldest first; a torn one is passed over."""
    for line in content.splitlines(keepends=True):
        row = row_of(line) if line.endswith(b"\n") else None
        if row is not None:
            yield row


def row_of(line: bytes) -> dict[str, Any] | None:
    """The object in a line; None where it holds none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
