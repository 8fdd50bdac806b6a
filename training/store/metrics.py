"""The lines of metrics.jsonl."""

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["rows_of"]


def rows_of(content: bytes) -> Iterator[dict[str, Any]]:
    """Every whole line, oldest first; a torn one is passed over."""
    for line in content.splitlines(keepends=True):
        row = _row(line)
        if row is not None:
            yield row


def _row(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
