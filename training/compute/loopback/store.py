"""What the control plane remembers: records by kind and name in one SQLite file.

A record is durable when `put` returns, so that a killed control plane comes back as it was.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Store"]


class Store:
    """JSON records under (kind, name).

    Args:
        path: The file; its directory exists.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS record "
            "(kind TEXT, name TEXT, value TEXT, PRIMARY KEY (kind, name))"
        )

    def put(self, kind: str, name: str, value: Any) -> None:
        """Write a record, replacing the one of that name."""
        text = json.dumps(value, separators=(",", ":"))
        with self._lock:
            self._database.execute("REPLACE INTO record VALUES (?, ?, ?)", (kind, name, text))

    def get(self, kind: str, name: str) -> Any:
        """The record, or None."""
        with self._lock:
            row = self._database.execute(
                "SELECT value FROM record WHERE kind = ? AND name = ?", (kind, name)
            ).fetchone()
        return None if row is None else json.loads(row[0])

    def delete(self, kind: str, name: str) -> None:
        """Forget a record; nothing when it is not there."""
        with self._lock:
            self._database.execute("DELETE FROM record WHERE kind = ? AND name = ?", (kind, name))

    def items(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Every record of a kind, by name."""
        with self._lock:
            rows = self._database.execute(
                "SELECT name, value FROM record WHERE kind = ? ORDER BY name", (kind,)
            ).fetchall()
        for name, value in rows:
            yield name, json.loads(value)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
