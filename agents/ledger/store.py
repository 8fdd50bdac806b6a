"""The ledger: an append-only SQLite file of events, the only memory of the engine.

Each event carries a hash over itself and the one before (`agents.ledger.chain`).

``journal_mode=DELETE`` and ``synchronous=FULL``: an event that was appended survives a power cut,
and the file alone, copied at rest, is the whole ledger. Triggers refuse updates and deletions.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from agents.errors import LedgerDamaged, UsageError
from agents.ledger.chain import FIRST, Line, canonical, chain_problems, json_values, link
from agents.ledger.events import Event
from agents.ledger.failpoints import failpoint
from agents.ledger.file import (
    PATIENCE_SECONDS,
    check_migrations,
    connect,
    create,
    patiently,
    translated,
)
from agents.ledger.log import Log
from agents.ledger.migrations import CHAINED, apply_migrations
from agents.ledger.redaction import redact, redacted

__all__ = ["Ledger"]

T = TypeVar("T")

_KNOWN = "SELECT 1 FROM events WHERE source = ? AND id = ?"
_LAST = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1"
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
        log: What was read of this file before; what is read now is added to it.
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
        log: Log | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.path = path
        self._log = log if log is not None else Log()
        self._lock = threading.Lock()
        self._patience = patience
        self._chained = True
        self._connection: sqlite3.Connection | None = None
        if readonly and not path.exists():
            return
        with translated(path):
            if not path.exists():
                create(path)
            connection = connect(path, readonly=readonly, patience=patience)
            try:
                pending = patiently(lambda: check_migrations(connection), patience)
                if readonly:
                    connection.execute("PRAGMA query_only=ON")
                    self._chained = CHAINED not in pending
                else:
                    apply_migrations(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, when nobody writes into it any more; closing twice is fine."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def append(self, event: Event) -> Event:
        """Make the event durable, without secrets, and return it as it was stored.

        An event whose (source, id) is already there is not written again; the stored one is
        returned, so appending is idempotent.
        """
        event = _storable(event)
        return self._insert(event) or self._stored(event)

    def receive(self, event: Event) -> bool:
        """Make an event from outside durable; False when its (source, id) was there already."""
        return self._insert(_storable(event)) is not None

    def receive_all(self, events: Sequence[Event]) -> list[bool]:
        """Make events from outside durable in one write, all or none.

        Returns:
            For each whether it is new, which it is not when its (source, id) was there already, or
            stands before it in ``events``.
        """
        stored = self._insert_all([_storable(event) for event in events])
        return [each is not None for each in stored]

    def _insert(self, event: Event) -> Event | None:
        return self._insert_all([event])[0]

    def _insert_all(self, events: Sequence[Event]) -> list[Event | None]:
        """Each event with its place and its hash; None for one that was there already."""
        lines = [_line(event) for event in events]
        with self._lock, translated(self.path):
            connection = self._writable()
            for event in events:
                failpoint(f"ledger.before:{event.type}")
            with connection:
                # takes the write lock: nobody else appends between the look and the insertion
                connection.execute("BEGIN IMMEDIATE")
                before, previous = connection.execute(_LAST).fetchone() or (0, FIRST)
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
            for new in filter(None, stored):
                failpoint(f"ledger.after:{new.type}")
                self._log.push(new, before)
                before = new.sequence
        return stored

    def _stored(self, event: Event) -> Event:
        identity = (event.source, event.id)
        return next(each for each in self.events() if (each.source, each.id) == identity)

    def events(
        self, *, run: str | None = None, types: tuple[str, ...] = (), after: int = 0
    ) -> list[Event]:
        """Events in the order they were appended; each line of the file is parsed once.

        Args:
            run: Only those of this run.
            types: Only those of these types; all types when empty.
            after: Only those with a higher sequence number.
        """
        self._read(lambda connection: self._log.extend(connection, chained=self._chained))
        return [
            event
            for event in self._log.after(after)
            if (run is None or event.run == run) and (not types or event.type in types)
        ]

    def check(self) -> list[str]:
        """What is wrong with the file: with its pages, or with the chain; empty when nothing is."""
        return self._read(self._problems) or self._unreadable()

    def _problems(self, connection: sqlite3.Connection) -> list[str]:
        rows = connection.execute("PRAGMA integrity_check").fetchall()
        problems = [str(row[0]) for row in rows if row[0] != "ok"]
        return problems or (chain_problems(connection) if self._chained else [])

    def _read(self, look: Callable[[sqlite3.Connection], T]) -> T | None:
        """What a look at the file returns; None where there is none."""
        with self._lock, translated(self.path):
            connection = self._connection
            if connection is None:
                return None
            return patiently(lambda: look(connection), self._patience)

    def _unreadable(self) -> list[str]:
        for event in self.events():
            try:
                event.payload  # noqa: B018 - looking is what parses it
            except LedgerDamaged as error:
                return [error.message]
        return []

    def _writable(self) -> sqlite3.Connection:
        if self._connection is None:
            raise LedgerDamaged(f"the ledger {self.path} is closed")
        return self._connection


def _storable(event: Event) -> Event:
    """The event without secrets, and with nothing that JSON does not have.

    Raises:
        UsageError: Its data are nested so deep that nobody could read them again.
    """
    texts = event.model_dump(include={"id", "source", "type", "time", "subject", "run"})
    texts |= {name: redact(texts[name]) for name in ("id", "subject")}
    try:
        return Event(**json_values(texts), data=json_values(redacted(event.data)))
    except RecursionError:
        raise UsageError(
            f"the data of {event.type} are nested too deep to be kept", fix="flatten them"
        ) from None


def _line(event: Event) -> Line:
    return Line(
        event.id,
        event.source,
        event.type,
        event.time,
        event.subject,
        event.run,
        canonical(event.data),
    )
