"""Schema migrations of the ledger: named, in order, each applied once in its own transaction."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from agents.ledger.chain import FIRST, GUARDS, Line, canonical, link
from agents.ledger.earlier import modern
from agents.ledger.failpoints import failpoint

__all__ = ["CHAINED", "MIGRATIONS", "apply_migrations", "pending_migrations"]

CHAINED = "0003-payloads-and-chain"
"""Without this one, data are as version 0.1 wrote them, and there is no column ``hash``."""

_AT_ONCE = 1000


def _events(connection: sqlite3.Connection) -> None:
    connection.execute(
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL,
            source TEXT NOT NULL,
            type TEXT NOT NULL,
            time TEXT NOT NULL,
            subject TEXT NOT NULL,
            run TEXT NOT NULL,
            data TEXT NOT NULL,
            UNIQUE (source, id)
        ) STRICT"""
    )
    connection.execute("CREATE INDEX events_by_run ON events (run, seq)")


def _append_only(connection: sqlite3.Connection) -> None:
    for statement in GUARDS.values():
        connection.execute(statement)


def _chained(connection: sqlite3.Connection) -> None:
    """Bring every payload to its shape of now, and link each event to the one before."""
    connection.execute("DROP TRIGGER IF EXISTS events_no_update")
    connection.execute("DROP TRIGGER IF EXISTS events_no_delete")
    connection.execute("ALTER TABLE events ADD COLUMN hash TEXT NOT NULL DEFAULT ''")
    failpoint("ledger.migrating:column")
    last, previous = 0, FIRST
    while rows := connection.execute(
        "SELECT seq, id, source, type, time, subject, run, data FROM events"
        " WHERE seq > ? ORDER BY seq LIMIT ?",
        (last, _AT_ONCE),
    ).fetchall():
        changed = []
        for last, id_, source, type_, time, subject, run, data in rows:
            text = canonical(_modern(last, type_, data))
            previous = link(previous, Line(id_, source, type_, time, subject, run, text))
            changed.append((text, previous, last))
        connection.executemany("UPDATE events SET data = ?, hash = ? WHERE seq = ?", changed)
        failpoint("ledger.migrating:rows")
    # where an event came twice, a number was left out; now the last number is that of the last one
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'events'", (last,))
    _append_only(connection)
    failpoint("ledger.migrating:triggers")


def _modern(sequence: int, type_: str, text: str) -> dict[str, Any]:
    try:
        return modern(type_, json.loads(text))
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise sqlite3.DatabaseError(f"event {sequence} ({type_}) is not readable") from error


def _by_type(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE INDEX events_by_type ON events (type, seq)")


MIGRATIONS: tuple[tuple[str, Callable[[sqlite3.Connection], None]], ...] = (
    ("0001-events", _events),
    ("0002-append-only", _append_only),
    (CHAINED, _chained),
    ("0004-by-type", _by_type),
)


def pending_migrations(connection: sqlite3.Connection) -> list[str]:
    """Names of the migrations this file has not seen yet.

    Raises:
        sqlite3.DatabaseError: The file holds migrations this program does not know, that is,
            it was written by a newer version.
    """
    known = [name for name, _ in MIGRATIONS]
    table = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'"
    ).fetchone()
    if table is None:
        return known
    names = connection.execute("SELECT name FROM migrations ORDER BY name")
    applied = [str(row[0]) for row in names]  # a damaged one may hold anything
    foreign = sorted(set(applied) - set(known))
    if foreign:
        raise sqlite3.DatabaseError(f"written by a newer version (it has {foreign[0]})")
    return [name for name in known if name not in applied]


def apply_migrations(connection: sqlite3.Connection) -> list[str]:
    """Bring the file up to date and return what was applied; two at once are safe."""
    pending_migrations(connection)
    applied = []
    for name, migrate in MIGRATIONS:
        # IMMEDIATE takes the write lock first, so that a second process waits and then sees it done
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY) STRICT"
            )
            if name in pending_migrations(connection):
                migrate(connection)
                connection.execute("INSERT INTO migrations (name) VALUES (?)", (name,))
                applied.append(name)
            failpoint(f"ledger.migration:{name}")
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
    return applied
