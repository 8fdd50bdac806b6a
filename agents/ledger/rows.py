"""Rows of the ledger as events, each compared with the hash of the one before it as it is read.

So nobody is told what was changed since it was written, whichever part of the ledger they read.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from agents.command import command
from agents.errors import LedgerDamaged
from agents.ledger.chain import FIRST, GUARDS, Line, link
from agents.ledger.earlier import modern
from agents.ledger.events import Event

__all__ = ["Opened", "Reading", "Row", "chain_problems", "event_of", "last_of"]


class Opened(Protocol):
    """A ledger that can be asked."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What SQL says of the events and of the projections."""

    def select(self, where: str, parameters: Sequence[object] = ()) -> list[Event]:
        """The events that ``where`` names, in the order in which they were written."""


class Row(NamedTuple):
    """One line of the file, with the hash of the line before it."""

    sequence: int
    hash: str
    id: str
    source: str
    type: str
    time: str
    subject: str
    run: str
    data: str | None
    previous: str


class Reading(NamedTuple):
    """How the events of a file are read.

    Attributes:
        connection: To the file.
        chained: Whether it is in the shape of now; if not, events are read as if it were.
        archived: Whether the payloads that were put away are there to be read.
    """

    connection: sqlite3.Connection
    chained: bool = True
    archived: bool = False

    def rows(self, where: str, parameters: Sequence[object] = ()) -> list[Row]:
        """The lines that ``where`` names, in the order in which they were written."""
        sql = f"SELECT {self._columns} FROM events AS e WHERE {where} ORDER BY e.seq"
        return [Row(*row) for row in self.connection.execute(sql, parameters)]

    @property
    def _columns(self) -> str:
        common = "e.id, e.source, e.type, e.time, e.subject, e.run"
        if not self.chained:
            return f"e.seq, '', {common}, e.data, ''"
        before = "(SELECT p.hash FROM events AS p WHERE p.seq < e.seq ORDER BY p.seq DESC LIMIT 1)"
        return f"e.seq, e.hash, {common}, {self.data}, coalesce({before}, '{FIRST}')"

    @property
    def data(self) -> str:
        """The column of payloads, wherever they are; null where the archive is gone."""
        away = "(SELECT a.data FROM archive.payloads AS a WHERE a.seq = e.seq)"
        return f"coalesce(nullif(e.data, ''), {away if self.archived else 'NULL'})"


def event_of(row: Row, *, chained: bool = True) -> Event:
    """The event that a line holds.

    Raises:
        LedgerDamaged: It is not the one that was written, or its payload is in an archive that is
            not there.
    """
    if row.data is None:
        raise LedgerDamaged(
            f"the payload of event {row.sequence} ({row.type}) was archived, and the archive is "
            "not beside the ledger",
            fix="put ledger-archive.db back where it was",
        )
    if chained and _hash(row) != row.hash:
        raise _unreadable(row, "it, or the one before it, is not what was written")
    try:
        data = json.loads(row.data)
        if not isinstance(data, dict):
            raise TypeError(row.data)  # noqa: TRY301 - what follows says it
        data = data if chained else modern(row.type, data)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise _unreadable(row, "not readable") from error
    return Event(
        sequence=row.sequence,
        hash=row.hash,
        id=row.id,
        source=row.source,
        type=row.type,
        time=row.time,
        subject=row.subject,
        run=row.run,
        data=data,
    )


def _hash(row: Row) -> str:
    assert row.data is not None  # noqa: S101 - who calls this has looked
    line = (row.id, row.source, row.type, row.time, row.subject, row.run, row.data)
    try:
        return link(row.previous, Line(*line))
    except (TypeError, ValueError):  # bytes where there was text
        return ""


def _unreadable(row: Row, why: str) -> LedgerDamaged:
    return LedgerDamaged(
        f"event {row.sequence} ({row.type}) is damaged: {why}", fix=command("doctor")
    )


def last_of(connection: sqlite3.Connection, *, chained: bool = True) -> tuple[int, str]:
    """Sequence number and hash of the last event; 0 and that of nothing where there is none."""
    hash_ = "hash" if chained else "''"
    found = connection.execute(
        f"SELECT seq, {hash_} FROM events ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return (int(found[0]), str(found[1])) if found else (0, FIRST)


def chain_problems(reading: Reading) -> list[str]:
    """What was done to the events of a ledger since they were written; empty when nothing was."""
    connection, data = reading.connection, reading.data
    rows = connection.execute(
        f"SELECT seq, hash, id, source, type, time, subject, run, {data} FROM events AS e"
        " ORDER BY seq"
    )
    last, previous = 0, FIRST
    for last, digest, *line in rows:
        if line[-1] is None:
            return [f"event {last} and others are archived, and the archive is not there"]
        if digest != link(previous, Line(*line)):
            broken = f"event {last} ({line[2]}) does not follow from what stands before it"
            return [f"{broken}: it was changed, or an event before it was removed or inserted"]
        previous = digest
    (written,) = connection.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'"
    ).fetchone()
    if written != last:
        return [f"event {last + 1} and those behind it were removed: {written} were written"]
    there = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'"
    )
    if dict(there) != GUARDS:
        return ["the triggers that keep events from being changed are gone"]
    return []
