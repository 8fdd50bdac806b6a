"""The ledger: an append-only SQLite file of events, the only memory of the engine.

Each event carries a hash over itself and the one before (`agents.ledger.chain`).

``journal_mode=DELETE`` and ``synchronous=FULL``: an event that was appended survives a power cut,
and the file alone, copied at rest, is the whole ledger. Triggers refuse updates and deletions.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from agents.command import command
from agents.errors import LedgerDamaged
from agents.ledger.boundary import line_of, storable
from agents.ledger.chain import json_text, json_values, link
from agents.ledger.events import Event
from agents.ledger.failpoints import failpoint
from agents.ledger.file import (
    PATIENCE_SECONDS,
    attach_archive,
    check_migrations,
    connect,
    create,
    patiently,
    translated,
)
from agents.ledger.migrations import CHAINED, apply_migrations
from agents.ledger.past import Past
from agents.ledger.projections import (
    advance,
    bring_up_to_date,
    differences,
    drop,
    is_current,
)
from agents.ledger.rows import Reading, chain_problems, event_of, last_of

__all__ = ["ClosedLedger", "Ledger"]

T = TypeVar("T")

_KNOWN = "SELECT 1 FROM events WHERE source = ? AND id = ?"
_INSERT = (
    "INSERT INTO events (id, source, type, time, subject, run, data, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class Ledger:
    """Appends and reads events.

    Args:
        path: The SQLite file; its directory is made when the ledger is writable.
        readonly: Never create or append anything; a missing file reads as an empty ledger, and
            one of an earlier version is read as it will be when it is migrated.
        patience: Seconds to wait while another process writes.

    Raises:
        LedgerDamaged: The file is not a ledger, is corrupt, or is newer than this program.
        UsageError: The directory cannot be made or written to.
    """

    def __init__(
        self,
        path: Path,
        *,
        readonly: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._patience = patience
        self._reading: Reading | None = None
        self._readonly = readonly
        self._beside = False
        if readonly and not path.exists():
            return
        with translated(path):
            if not path.exists():
                create(path)
            self._reading = _opened(path, readonly=readonly, patience=patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, when nobody writes into it any more; closing twice is fine."""
        with self._lock:
            if self._reading is not None:
                self._reading.connection.close()
                self._reading = None

    def append(self, event: Event) -> Event:
        """Make the event durable, without secrets, and return it as it was stored.

        An event whose (source, id) is already there is not written again; the stored one is
        returned, so appending is idempotent.
        """
        event = storable(event)
        return self._insert(event) or self._stored(event)

    def receive(self, event: Event) -> bool:
        """Make an event from outside durable; False when its (source, id) was there already."""
        return self._insert(storable(event)) is not None

    def receive_all(self, events: Sequence[Event]) -> list[bool]:
        """Make events from outside durable in one write, all or none.

        Returns:
            For each whether it is new, which it is not when its (source, id) was there already, or
            stands before it in ``events``.
        """
        stored = self._insert_all([storable(event) for event in events])
        return [each is not None for each in stored]

    def _insert(self, event: Event) -> Event | None:
        return self._insert_all([event])[0]

    def _insert_all(self, events: Sequence[Event]) -> list[Event | None]:
        """Each event with its place and its hash; None for one that was there already."""
        lines = [line_of(event) for event in events]
        with self._lock, translated(self.path):
            reading = self._writable()
            connection = reading.connection
            for event in events:
                failpoint(f"ledger.before:{event.type}")
            with connection:
                # takes the write lock: nobody else appends between the look and the insertion
                connection.execute("BEGIN IMMEDIATE")
                _, previous = last_of(connection)
                current = is_current(connection)
                stored: list[Event | None] = []
                for event, line in zip(events, lines, strict=True):
                    if connection.execute(_KNOWN, (event.source, event.id)).fetchone():
                        stored.append(None)
                        continue
                    previous = link(previous, line)
                    sequence = connection.execute(_INSERT, (*line, previous)).lastrowid
                    update = {"sequence": sequence, "hash": previous}
                    stored.append(event.model_copy(update=update))
                    failpoint(f"ledger.uncommitted:{event.type}")
                if current:  # where another version wrote, they are brought up to date when read
                    advance(connection, filter(None, stored))
            for new in filter(None, stored):
                failpoint(f"ledger.after:{new.type}")
        return stored

    def _stored(self, event: Event) -> Event:
        return self.select("e.source = ? AND e.id = ?", (event.source, event.id))[0]

    @property
    def past(self) -> Past:
        """What it says, read as far as somebody looks."""
        return Past(self)

    def events(
        self, *, run: str | None = None, types: tuple[str, ...] = (), after: int = 0
    ) -> list[Event]:
        """Events in the order they were appended, all of them in memory.

        Args:
            run: Only those of this run.
            types: Only those of these types; all types when empty.
            after: Only those with a higher sequence number.
        """
        return list(self.past.of(*types, run=run, after=after))

    def select(self, where: str, parameters: Sequence[object] = ()) -> list[Event]:
        """The events that a condition of SQL names, in the order in which they were appended.

        Raises:
            LedgerDamaged: One of them is not what was written.
        """
        ours = json_values(parameters)
        rows = self._asked(where, lambda reading: reading.rows(where, ours)) or []
        chained = self._reading is None or self._reading.chained
        return [event_of(row, chained=chained) for row in rows]

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What SQL says of the projections; nothing where there is no file.

        Raises:
            LedgerDamaged: They are behind, and an event they lack is not what was written.
        """
        ours = json_values(parameters)

        def look(reading: Reading) -> list[tuple[Any, ...]]:
            return reading.connection.execute(sql, ours).fetchall()

        found = self._asked(sql, look) or []
        if any(isinstance(value, bytes) for row in found for value in row):
            raise LedgerDamaged("a projection holds what nobody wrote", fix=command("doctor"))
        return found

    def _asked(self, sql: str, look: Callable[[Reading], T]) -> T | None:
        if "projected_" not in sql:
            return self._read(look)

        def look_when_current(reading: Reading) -> T:
            if not self._beside:
                self._beside = _caught_up(self.path, reading, self._patience)
            return look(reading)

        return self._read(look_when_current)

    def marked(self, name: str) -> int:
        """How far somebody has looked, by the name they gave it; 0 when that is not known."""
        found = self.rows("SELECT through FROM projected_marks WHERE name = ?", (name,))
        return int(found[0][0]) if found else 0

    def mark(self, name: str, through: int) -> None:
        """Remember how far somebody has looked; where that is lost, they look anew."""
        with self._lock, translated(self.path), self._writable().connection as connection:
            sql = "INSERT OR REPLACE INTO projected_marks VALUES (?, ?)"
            connection.execute(sql, (json_text(name), through))

    def check(self) -> list[str]:
        """What is wrong with the file: with its pages, or with the chain; empty when nothing is."""
        return self._read(_problems) or self._unreadable()

    def compared(self) -> list[str]:
        """The projections of the file that do not say what the events say; slow."""

        def look(reading: Reading) -> list[str]:
            reading.connection.execute("PRAGMA query_only=OFF")
            return differences(reading) if reading.chained else []

        return self._read(look) or []

    def forget(self) -> None:
        """Drop the projections, and make them again from the events."""
        with self._lock, translated(self.path):
            reading = self._writable()
            drop(reading.connection)
            bring_up_to_date(reading)

    def _read(self, look: Callable[[Reading], T]) -> T | None:
        """What a look at the file returns; None where there is none."""
        with self._lock, translated(self.path):
            reading = self._reading
            if reading is None:
                return None
            return patiently(lambda: look(reading), self._patience)

    def _unreadable(self) -> list[str]:
        for event in self.past:
            try:
                event.payload  # noqa: B018 - looking is what parses it
            except LedgerDamaged as error:
                return [error.message]
        return []

    def _writable(self) -> Reading:
        if self._reading is None or self._readonly:
            raise LedgerDamaged(f"the ledger {self.path} is closed, or only read")
        return self._reading


@dataclass(frozen=True)
class ClosedLedger:
    """A ledger that is opened for each question that it is asked, and closed again."""

    path: Path

    @property
    def past(self) -> Past:
        """What it says, read as far as somebody looks."""
        return Past(self)

    def select(self, where: str, parameters: Sequence[object] = ()) -> list[Event]:
        """The events that a condition of SQL names, in the order in which they were appended."""
        with Ledger(self.path, readonly=True) as ledger:
            return ledger.select(where, parameters)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What SQL says of the projections; nothing where there is no file."""
        with Ledger(self.path, readonly=True) as ledger:
            return ledger.rows(sql, parameters)


def _problems(reading: Reading) -> list[str]:
    rows = reading.connection.execute("PRAGMA integrity_check").fetchall()
    problems = [str(row[0]) for row in rows if row[0] != "ok"]
    return problems or (chain_problems(reading) if reading.chained else [])


def _opened(path: Path, *, readonly: bool, patience: float) -> Reading:
    connection = connect(path, readonly=readonly, patience=patience)
    try:
        pending = patiently(lambda: check_migrations(connection), patience)
        archived = attach_archive(connection, path)
        if readonly:
            connection.execute("PRAGMA query_only=ON")
            return Reading(connection, CHAINED not in pending, archived)
        apply_migrations(connection)
    except BaseException:
        connection.close()
        raise
    return Reading(connection, archived=archived)


def _caught_up(path: Path, reading: Reading, patience: float) -> bool:
    """Bring the tables up to date with the events; whether that had to be done beside the file.

    They are behind where another version wrote last. Whoever may write does it for all.
    """
    if reading.chained:
        if is_current(reading.connection):
            return False
        with suppress(sqlite3.OperationalError):
            writing = _opened(path, readonly=False, patience=patience)
            try:
                bring_up_to_date(writing)
            finally:
                writing.connection.close()
            return False
    reading.connection.execute("PRAGMA query_only=OFF")
    bring_up_to_date(reading, "temp")
    reading.connection.execute("PRAGMA query_only=ON")
    return True
