"""What is wrong with the file of a ledger: mended where nothing is lost by it, else said.

The events are the ledger; all else in the file is made from them. So a file whose events are whole
is mended, whatever else is damaged: what a killed process left is undone, projections are made
anew, and where that is not enough the events are written into a new file.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from agents.errors import GoapError, LedgerDamaged
from agents.ledger.chain import FIRST, Line, link
from agents.ledger.file import archive_of, attach_archive, create
from agents.ledger.projections import bring_up_to_date
from agents.ledger.rows import Reading
from agents.ledger.store import Ledger

__all__ = ["Examined", "Salvaged", "examine", "salvage"]

_INSERT = (
    "INSERT INTO events (seq, hash, id, source, type, time, subject, run, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_DAMAGE = (sqlite3.Error, ArithmeticError, ValueError, TypeError)
"""What a damaged file raises, also where SQLite says so in words that are no UTF-8 any more."""

MOST_FILLED = 1000
"""A file that says it was so many times as long says nothing."""


class Examined(NamedTuple):
    """What was found.

    Attributes:
        events: How many there are, or can be believed.
        repaired: What was mended; no event is lost by it.
        problems: What is damaged, and what is lost by it.
    """

    events: int
    repaired: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Salvaged(NamedTuple):
    """What became of a damaged ledger: so many events are kept, and it lies there."""

    events: int
    damaged: Path


def examine(path: Path) -> Examined:
    """Look at all of a ledger, and mend what costs no event.

    Raises:
        GoapError: It cannot be looked at now: somebody writes on and on, or it may not be read.
    """
    repaired = ["a write that was cut off is undone"] if _was_cut_off(path) else []
    try:
        problems, count = _problems(path)
        if not problems:
            stale = _stale(path)
            if stale and _made_again(path):
                return Examined(count, (*repaired, f"made again from the events: {stale}"))
            problems = [f"they do not say what the events say: {stale}"] if stale else []
    except (LedgerDamaged, *_DAMAGE) as error:
        problems, count = [str(getattr(error, "message", error))], 0
    if not problems:
        return Examined(count, tuple(repaired))
    if not archive_of(path).exists() and _is_archived(path):
        gone = f"payloads are in {archive_of(path)}, which is not there: put it back"
        return Examined(count, tuple(repaired), (gone,))
    whole, written = _believable(path)
    if whole and whole == written and os.access(path.parent, os.W_OK):
        aside = _write_anew(path)
        mended = f"{'; '.join(problems[:1])}: written anew, with all {whole} events"
        return Examined(whole, (*repaired, f"{mended}; the damaged file is {aside}"))
    return Examined(whole, tuple(repaired), (*problems[:3], _lost(whole, written)))


def salvage(path: Path) -> Salvaged:
    """Keep the events that can be believed, from the first on, and put the damaged file aside.

    Raises:
        LedgerDamaged: There is none.
    """
    whole, _ = _believable(path)
    if not whole:
        raise LedgerDamaged(f"no event of {path} can be read", fix=f"mv {path} {path}.damaged")
    return Salvaged(whole, _write_anew(path))


def _is_archived(path: Path) -> bool:
    with suppress(*_DAMAGE), closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("SELECT 1 FROM events WHERE data = '' LIMIT 1").fetchone())
    return False


def _was_cut_off(path: Path) -> bool:
    journal = path.with_name(f"{path.name}-journal")
    with suppress(OSError):
        return journal.stat().st_size > 0 and journal.read_bytes()[:1] != b"\0"
    return False


def _problems(path: Path) -> tuple[list[str], int]:
    with Ledger(path, readonly=True) as ledger:
        return ledger.check(), len(ledger.past)


def _stale(path: Path) -> str:
    """The projections that are there and do not say what the events say."""
    with Ledger(path, readonly=True) as ledger:
        try:
            return ", ".join(ledger.compared())
        except (GoapError, *_DAMAGE):
            return "all projections"


def _made_again(path: Path) -> bool:
    """Make the projections again, where the file may be written."""
    try:
        with Ledger(path) as ledger:
            ledger.forget()
    except (GoapError, *_DAMAGE):
        return False
    return not _stale(path)


def _believable(path: Path) -> tuple[int, int]:
    """How many lines there are up to the first that is not what was written; and how many were."""
    written = count = last = 0
    with suppress(*_DAMAGE), _filled(path) as file, closing(_raw(file)) as connection:
        with suppress(*_DAMAGE):
            sql = "SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'"
            written = int(connection.execute(sql).fetchone()[0] or 0)
        for row in _linked(connection, path):
            count, last = count + 1, row[0]
    return count, written - (last - count)  # earlier versions left numbers out


def _linked(connection: sqlite3.Connection, path: Path) -> Iterator[tuple[Any, ...]]:
    previous = FIRST
    connection.text_factory = _text
    with suppress(*_DAMAGE):
        reading = Reading(connection, archived=attach_archive(connection, path))
        for *row, data in connection.execute(
            "SELECT seq, hash, id, source, type, time, subject, run, data,"
            f" {reading.data} FROM events AS e NOT INDEXED ORDER BY seq"
        ):
            if row[1] != link(previous, Line._make([*row[2:-1], data])):
                return
            yield tuple(row)
            previous = row[1]


@contextmanager
def _filled(path: Path) -> Iterator[Path]:
    """The file, or a copy of it with empty pages in the place of those that were cut off.

    SQLite reads nothing of a file that is shorter than it says.
    """
    with path.open("rb") as file:
        header = file.read(100)
    size = int.from_bytes(header[16:18], "big")
    wanted = int.from_bytes(header[28:32], "big") * (65_536 if size == 1 else size)
    there = path.stat().st_size
    if there >= wanted or wanted > MOST_FILLED * there:
        yield path
        return
    copy = path.with_name(f".{path.name}-filled-{os.getpid()}")
    try:
        shutil.copyfile(path, copy)
        os.truncate(copy, wanted)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _raw(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path.absolute().as_uri(), uri=True)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _write_anew(path: Path) -> Path:
    """A new ledger of what can be believed, in the place of the damaged one; where that is now."""
    fresh = path.with_name(f".{path.name}-anew-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    create(fresh)
    with closing(sqlite3.connect(fresh)) as connection:
        with _filled(path) as file, closing(_raw(file)) as damaged, connection:
            connection.executemany(_INSERT, _linked(damaged, path))
        bring_up_to_date(Reading(connection))
    aside = next(
        name
        for number in range(1, 1000)
        if not (name := path.with_name(f"{path.name}.damaged-{number}")).exists()
    )
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    os.link(path, aside)
    fresh.replace(path)
    return aside


def _lost(whole: int, written: int) -> str:
    if not whole:
        return "no event can be believed: all are lost"
    rest = max(written - whole, 0)
    behind = f"the {rest} behind" if rest else "what may have been behind"
    return f"the first {whole} events are as they were written, {behind} cannot be believed"
