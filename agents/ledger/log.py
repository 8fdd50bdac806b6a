"""The events of one ledger in memory: read as the file grows, each line parsed once."""

import json
import sqlite3
import threading
from bisect import bisect_right
from operator import attrgetter

from agents.ledger.earlier import modern
from agents.ledger.events import Event

__all__ = ["Log"]

_CHAINED = "SELECT seq, hash, id, source, type, time, subject, run, data"
_UNCHAINED = "SELECT seq, '', id, source, type, time, subject, run, data"
_NEW = " FROM events WHERE seq >= ? ORDER BY seq"

Row = tuple[int, str, str, str, str, str, str, str, str]


class Log:
    """What was read of a ledger so far; several `Ledger` of one file may share it."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        # who appends and who reads are threads of one process
        self._lock = threading.Lock()

    def after(self, sequence: int) -> list[Event]:
        """The events with a higher sequence number."""
        with self._lock:
            return self._events[bisect_right(self._events, sequence, key=_SEQUENCE) :]

    def extend(self, connection: sqlite3.Connection, *, chained: bool = True) -> None:
        """Read what was appended since, by whomever.

        Args:
            connection: To the file.
            chained: Whether it is in the shape of now; if not, events are read as if it were.
        """
        select = (_CHAINED if chained else _UNCHAINED) + _NEW
        with self._lock:
            last = self._events[-1] if self._events else None
            rows = connection.execute(select, (last.sequence if last else 0,)).fetchall()
            if last is not None and not (rows and _same(rows[0], last)):
                # another file stands in its place, or it was migrated
                self._events, last = [], None
                rows = connection.execute(select, (0,)).fetchall()
            new = rows if last is None else rows[1:]
            self._events += [_event(row, chained=chained) for row in new]

    def push(self, event: Event, before: int) -> None:
        """Add an event that was appended behind the one with the sequence number ``before``."""
        with self._lock:
            if (self._events[-1].sequence if self._events else 0) == before:
                self._events.append(event)


_SEQUENCE = attrgetter("sequence")


def _same(row: Row, event: Event) -> bool:
    return row[:4] == (event.sequence, event.hash, event.id, event.source)


def _event(row: Row, *, chained: bool) -> Event:
    sequence, digest, id_, source, type_, time, subject, run, text = row
    try:
        data = json.loads(text)
        if not isinstance(data, dict):
            raise TypeError(text)  # noqa: TRY301 - what follows says it
        data = data if chained else modern(type_, data)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise sqlite3.DatabaseError(f"event {sequence} ({type_}) is not readable") from error
    return Event(
        sequence=sequence,
        hash=digest,
        id=id_,
        source=source,
        type=type_,
        time=time,
        subject=subject,
        run=run,
        data=data,
    )
