"""Schema migrations of the ledger: named, in order, each applied once in its own transaction."""

import sqlite3
from collections.abc import Callable

from agents.ledger.failpoints import failpoint

__all__ = ["MIGRATIONS", "apply_migrations", "pending_migrations"]


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
    for change in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER events_no_{change.lower()} BEFORE {change} ON events"
            " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )


MIGRATIONS: tuple[tuple[str, Callable[[sqlite3.Connection], None]], ...] = (
    ("0001-events", _events),
    ("0002-append-only", _append_only),
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
    applied = [row[0] for row in connection.execute("SELECT name FROM migrations ORDER BY name")]
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
