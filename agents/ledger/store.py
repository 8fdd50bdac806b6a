"""The ledger: an append-only SQLite file of events, the only memory of the engine.

``journal_mode=DELETE`` and ``synchronous=FULL``: an event that was appended survives a power cut,
and the file alone, copied at rest, is the whole ledger. Triggers refuse updates and deletions.
"""

import errno
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from agents.errors import ActionFailed, FailureClass, LedgerDamaged, Transient
from agents.ledger.events import Event
from agents.ledger.failpoints import failpoint
from agents.ledger.migrations import MIGRATIONS, apply_migrations, pending_migrations
from agents.ledger.redaction import redact, redacted
from agents.run.failures import unusable

__all__ = ["Ledger"]

_COLUMNS = "seq, id, source, type, time, subject, run, data"


class Ledger:
    """Appends and reads events.

    Args:
        path: The SQLite file; its directory is made when the ledger is writable.
        readonly: Never create or change anything; a missing file reads as an empty ledger.

    Raises:
        LedgerDamaged: The file is not a ledger, is corrupt, or is newer than this program.
        UsageError: The directory cannot be made or written to.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        if readonly and not path.exists():
            return
        with self._translated():
            if not path.exists():
                _create(path)
            connection = _connect(path, readonly=readonly)
            try:
                _check_migrations(connection)
                if not readonly:
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
        event = _without_secrets(event)
        self._insert(event)
        with self._lock, self._translated():
            row = (
                self._writable()
                .execute(
                    f"SELECT {_COLUMNS} FROM events WHERE source = ? AND id = ?",  # noqa: S608
                    (event.source, event.id),
                )
                .fetchone()
            )
        return _event(row)

    def receive(self, event: Event) -> bool:
        """Make an event from outside durable; False when its (source, id) was there already."""
        return self._insert(_without_secrets(event))

    def _insert(self, event: Event) -> bool:
        with self._lock, self._translated():
            connection = self._writable()
            failpoint(f"ledger.before:{event.type}")
            with connection:
                cursor = connection.execute(
                    "INSERT INTO events (id, source, type, time, subject, run, data)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, id) DO NOTHING",
                    (
                        event.id,
                        event.source,
                        event.type,
                        event.time,
                        event.subject,
                        event.run,
                        json.dumps(event.data, sort_keys=True, ensure_ascii=False),
                    ),
                )
                failpoint(f"ledger.uncommitted:{event.type}")
            failpoint(f"ledger.after:{event.type}")
        return cursor.rowcount == 1

    def events(
        self, *, run: str | None = None, types: tuple[str, ...] = (), after: int = 0
    ) -> list[Event]:
        """Events in the order they were appended.

        Args:
            run: Only those of this run.
            types: Only those of these types; all types when empty.
            after: Only those with a higher sequence number.
        """
        if self._connection is None:
            return []
        clauses, values = ["seq > ?"], [after]  # type: tuple[list[str], list[Any]]
        if run is not None:
            clauses.append("run = ?")
            values.append(run)
        if types:
            clauses.append(f"type IN ({', '.join('?' * len(types))})")
            values.extend(types)
        where = " AND ".join(clauses)
        with self._lock, self._translated():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM events WHERE {where} ORDER BY seq",  # noqa: S608
                values,
            ).fetchall()
        return [_event(row) for row in rows]

    def check(self) -> list[str]:
        """What is wrong with the file; empty when nothing is."""
        if self._connection is None:
            return []
        with self._lock, self._translated():
            rows = self._connection.execute("PRAGMA integrity_check").fetchall()
        return [str(row[0]) for row in rows if row[0] != "ok"]

    def _writable(self) -> sqlite3.Connection:
        if self._connection is None:
            raise LedgerDamaged(f"the ledger {self.path} is closed")
        return self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what SQLite raises into errors a person can act on."""
        try:
            yield
        except OSError as error:
            raise unusable(self.path.parent, error) from error
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise ActionFailed(
                    f"no space left to write the ledger {self.path}",
                    fix=f"free some space on the disk of {self.path.parent}, then run again",
                    failure_class=FailureClass.RESOURCE,
                    name="disk_full",
                ) from error
            kind = getattr(error, "sqlite_errorname", "")  # not where it is no text in UTF-8
            if kind.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
                read_only = OSError(errno.EROFS, os.strerror(errno.EROFS))
                raise unusable(self.path.parent, read_only) from error
            if kind.startswith("SQLITE_BUSY"):
                raise Transient(
                    f"the ledger {self.path} is being written to all the time",
                    fix="the same command again",
                    name="ledger_busy",
                ) from error
            raise LedgerDamaged(
                f"cannot use the ledger {self.path}: {error}", fix="python -m agents doctor"
            ) from error
        except sqlite3.DatabaseError as error:
            raise LedgerDamaged(
                f"{self.path} is not a readable ledger: {error}", fix="python -m agents doctor"
            ) from error


def _without_secrets(event: Event) -> Event:
    hidden = {"id": redact(event.id), "subject": redact(event.subject)}
    return event.model_copy(update={**hidden, "data": redacted(event.data)})


def _connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    if readonly:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
    return connection


def _create(path: Path) -> None:
    """Make an empty ledger, so that nobody ever meets a half of one; the first of several wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        connection = sqlite3.connect(aside)
        try:
            apply_migrations(connection)
        finally:
            connection.close()
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _check_migrations(connection: sqlite3.Connection) -> None:
    """Refuse what is no ledger: an emptied file, the database of somebody else, a newer version."""
    if len(pending_migrations(connection)) == len(MIGRATIONS):
        raise sqlite3.DatabaseError("it holds no events table")


def _event(row: tuple[Any, ...]) -> Event:
    sequence, id_, source, type_, time, subject, run, data = row
    return Event(
        sequence=sequence,
        id=id_,
        source=source,
        type=type_,
        time=time,
        subject=subject,
        run=run,
        data=json.loads(data),
    )
