"""The file of a ledger: how it is made and opened, and what its errors mean to a person."""

import errno
import os
import random
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from agents.command import command
from agents.errors import (
    ActionFailed,
    FailureClass,
    LedgerDamaged,
    Transient,
    UsageError,
    unusable,
)
from agents.ledger.migrations import CHAINED, MIGRATIONS, apply_migrations, pending_migrations
from agents.ledger.projections import bring_up_to_date
from agents.ledger.rows import Reading

__all__ = [
    "PATIENCE_SECONDS",
    "archive_of",
    "attach_archive",
    "check_migrations",
    "connect",
    "create",
    "patiently",
    "translated",
]

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
"""So long is waited for a ledger that another process writes into."""

_LOOK_MILLISECONDS = 40
"""So long SQLite waits by itself; its waits grow, and who writes on and on is never met between
two writes by one who looks every tenth of a second."""


def connect(path: Path, *, readonly: bool, patience: float) -> sqlite3.Connection:
    """Open the file so that what a killed process wrote in part is undone.

    A connection that may only read cannot undo it. So who reads is allowed to write as well, where
    they may, and `PRAGMA query_only` keeps them from it.
    """
    if not readonly:
        path.parent.mkdir(parents=True, exist_ok=True)
    mode = "ro" if readonly and not _may_write(path) else "rw" if readonly else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_LOOK_MILLISECONDS / 1000 if readonly else patience,
        check_same_thread=False,
    )
    if readonly:
        return connection
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def archive_of(path: Path) -> Path:
    """Where the payloads of a ledger are that were put away."""
    return path.with_name(f"{path.stem}-archive.db")


def attach_archive(connection: sqlite3.Connection, path: Path) -> bool:
    """Make the archive readable through a connection to its ledger; False where there is none."""
    file = archive_of(path)
    if not file.is_file():
        return False
    connection.execute("ATTACH ? AS archive", (f"{file.absolute().as_uri()}?mode=ro",))
    return True


def create(path: Path) -> None:
    """Make an empty ledger, so that nobody ever meets a half of one; the first of several wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        connection = sqlite3.connect(aside)
        try:
            apply_migrations(connection)
            bring_up_to_date(Reading(connection))
        finally:
            connection.close()
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def patiently(read: Callable[[], T], seconds: float) -> T:
    """What ``read`` returns; while another process writes, it is asked again and again."""
    end = time.monotonic() + seconds
    while True:
        try:
            return read()
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            if not busy or time.monotonic() >= end:
                raise
            time.sleep(random.uniform(0.0, 0.004))  # noqa: S311 - in step with nobody


def check_migrations(connection: sqlite3.Connection) -> list[str]:
    """What is still to be migrated.

    Raises:
        sqlite3.DatabaseError: It is no ledger: an emptied file, the database of somebody else; or
            it is of a newer version.
    """
    # looked at first: between the two looks another process may migrate it
    columns = {row[1] for row in connection.execute("PRAGMA table_info(events)")}
    pending = pending_migrations(connection)
    if len(pending) == len(MIGRATIONS):
        raise sqlite3.DatabaseError("it holds no events table")
    if "hash" in columns and CHAINED in pending:
        raise sqlite3.DatabaseError(f"its events have hashes, and {CHAINED} is not in its list")
    return pending


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into errors a person can act on."""
    try:
        yield
    except OSError as error:
        raise unusable(path.parent, error) from error
    except sqlite3.OperationalError as error:
        raise _operational(path, error) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise LedgerDamaged(
            f"{path} is not a readable ledger: {error}", fix=command("doctor")
        ) from error


def _operational(path: Path, error: sqlite3.OperationalError) -> Exception:
    kind = getattr(error, "sqlite_errorname", "")  # not where it is no text in UTF-8
    if "full" in str(error):
        return ActionFailed(
            f"no space left to write the ledger {path}",
            fix=f"free some space on the disk of {path.parent}, then run again",
            failure_class=FailureClass.RESOURCE,
            name="disk_full",
        )
    if kind.startswith("SQLITE_READONLY_ROLLBACK"):
        return UsageError(
            f"{path} was being written when its writer was killed, and what it left cannot be "
            "undone by one who may not write there",
            fix=f"as somebody who may write to {path.parent}: {command('doctor')}",
        )
    if kind.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return unusable(path.parent, OSError(errno.EROFS, os.strerror(errno.EROFS)))
    if kind.startswith("SQLITE_BUSY"):
        return Transient(
            f"the ledger {path} is being written to all the time",
            fix="the same command again",
            name="ledger_busy",
        )
    return LedgerDamaged(f"cannot use the ledger {path}: {error}", fix=command("doctor"))
