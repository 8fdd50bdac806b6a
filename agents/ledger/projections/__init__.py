"""Projections: tables beside the events, so that no command reads all of them.

They say nothing that the events do not say. Whoever appends an event adds it to them in the same
transaction. Where they are behind (another version wrote), missing, or in another format, they are
brought up to date by sequence from the events; where the file cannot be written, beside it.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from agents.ledger.chain import FIRST
from agents.ledger.events import Event
from agents.ledger.projections import accounts, places, runs, steps
from agents.ledger.rows import Reading, event_of, last_of

__all__ = [
    "FORMAT",
    "advance",
    "bring_up_to_date",
    "differences",
    "drop",
    "is_current",
    "projected_anew",
]

FORMAT = "1"
"""Another format is not read: the tables are dropped and made again."""

_CURRENT = """
    SELECT format = ? AND through = coalesce((SELECT max(seq) FROM events), 0)
        AND hash = coalesce((SELECT hash FROM events ORDER BY seq DESC LIMIT 1), ?)
    FROM projected"""
_AT_ONCE = 2_000
_PARTS = (runs, steps, accounts, places)
TABLES = {name: table for part in _PARTS for name, table in part.TABLES.items()}
INDEXES = {name: index for part in _PARTS for name, index in part.INDEXES.items()}
_STATE = "format TEXT NOT NULL, through INTEGER NOT NULL, hash TEXT NOT NULL"
_KEPT = ("projected_marks",)
"""Not from events: how far a watcher has looked. What is lost of it is looked at again."""


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the tables of the file say all that its events say."""
    try:
        found = connection.execute(_CURRENT, (FORMAT, FIRST)).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise
    return bool(found == (1,))


def advance(connection: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Add events to the tables, in the transaction of the caller."""
    last = None
    for last in events:
        for part in _PARTS:
            part.fold(connection, last)
    if last is not None:
        _reached(connection, last.sequence, last.hash)


def bring_up_to_date(reading: Reading, schema: str = "main") -> None:
    """Add what is missing in the tables, in transactions of its own; two at once are safe.

    Args:
        reading: Of the file.
        schema: ``temp`` makes them beside a file that cannot be written to.
    """
    connection = reading.connection
    through = -1
    while through < last_of(connection, chained=reading.chained)[0] or through < 0:
        with _transaction(connection, schema):
            through = _begin(reading, schema)
            rows = reading.rows(
                "e.seq > ? AND e.seq <= (SELECT max(seq) FROM (SELECT seq FROM events"
                f" WHERE seq > ? ORDER BY seq LIMIT {_AT_ONCE}))",
                (through, through),
            )
            for row in rows:
                if row.data is not None:  # what was archived elsewhere is in no table any more
                    advance(connection, [event_of(row, chained=reading.chained)])
                through = row.sequence
            if rows:
                _reached(connection, through, rows[-1].hash)


@contextmanager
def _transaction(connection: sqlite3.Connection, schema: str) -> Iterator[None]:
    # who may not write to the file has no lock to take: only their own tables change
    connection.execute("BEGIN IMMEDIATE" if schema == "main" else "BEGIN")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _begin(reading: Reading, schema: str) -> int:
    """How far the tables are; where they are of another file or format, they begin anew."""
    connection = reading.connection
    names = connection.execute(
        f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table' AND name LIKE 'projected%'"
    ).fetchall()
    state = None
    if ("projected",) in names:
        state = connection.execute(
            f"SELECT format, through, hash FROM {schema}.projected"
        ).fetchone()
    if state is not None and state[0] == FORMAT and _stands(reading, state[1], state[2]):
        return int(state[1])
    for (name,) in names:
        connection.execute(f'DROP TABLE {schema}."{name}"')
    make(connection, schema)
    return 0


def make(connection: sqlite3.Connection, schema: str) -> None:
    """Make the tables, empty."""
    for name, table in TABLES.items():
        connection.execute(f"CREATE TABLE {schema}.{name} {table}")
    for name, index in INDEXES.items():
        connection.execute(f"CREATE INDEX {schema}.{name} ON {index}")
    connection.execute(f"CREATE TABLE {schema}.projected ({_STATE}) STRICT")
    connection.execute(f"INSERT INTO {schema}.projected VALUES (?, 0, ?)", (FORMAT, FIRST))


def _stands(reading: Reading, through: int, digest: str) -> bool:
    """Whether the event that was added last is still there, as it was."""
    if through == 0 or not reading.chained:  # without hashes they are made beside the file, anew
        return True
    found = reading.connection.execute(
        "SELECT hash FROM events WHERE seq = ?", (through,)
    ).fetchone()
    return bool(found == (digest,))


def _reached(connection: sqlite3.Connection, through: int, digest: str) -> None:
    connection.execute("UPDATE projected SET through = ?, hash = ?", (through, digest))


def drop(connection: sqlite3.Connection) -> None:
    """Drop all tables but the events and what belongs to them."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'projected%'"
    ).fetchall()
    with connection:
        for (name,) in names:
            connection.execute(f'DROP TABLE "{name}"')


def projected_anew(reading: Reading, look: Callable[[], list[str]]) -> list[str]:
    """What ``look`` says while the tables are made anew beside the file."""
    connection = reading.connection
    try:
        bring_up_to_date(reading, "temp")
        return look()
    finally:
        for name in (*TABLES, "projected"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def differences(reading: Reading) -> list[str]:
    """The tables of the file that do not say what the events say; none where there are none."""
    connection = reading.connection
    try:
        if not connection.execute("SELECT 1 FROM main.projected").fetchone():
            return []
        current = is_current(connection)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
    if not current:  # made or brought up to date when somebody asks
        return []

    def look() -> list[str]:
        return [name for name in TABLES if name not in _KEPT and _differ(connection, name)]

    return projected_anew(reading, look)


def _differ(connection: sqlite3.Connection, table: str) -> bool:
    return _only_in(connection, table, "main", "temp") or _only_in(
        connection, table, "temp", "main"
    )


def _only_in(connection: sqlite3.Connection, table: str, here: str, there: str) -> bool:
    sql = (
        f"SELECT 1 FROM (SELECT * FROM {here}.{table} EXCEPT SELECT * FROM {there}.{table}) LIMIT 1"
    )
    return connection.execute(sql).fetchone() is not None
