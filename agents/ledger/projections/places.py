"""Where things stand in the ledger: the newest event of a source, and what events are about."""

import sqlite3
from collections.abc import Mapping, Sequence

from agents.ledger.events import Event
from agents.ledger.payloads import (
    FileChanged,
    FileSeen,
    GitCommit,
    GitSeen,
    ScheduleDue,
    ScheduleSeen,
    StepFailed,
    StepFinished,
    StepNoted,
    StepVerified,
)
from agents.ledger.rows import Opened

__all__ = ["ACTION", "INDEXES", "TABLES", "fold", "newest_of", "numbers_of", "texts_of", "things"]

ACTION = "@action"
"""The name under which the events of an action are found that say how it went."""

TABLES = {
    "projected_latest": """(
        source TEXT NOT NULL,
        subject TEXT NOT NULL,
        type TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (source, subject, type)
    ) STRICT, WITHOUT ROWID""",
    "projected_mentions": """(
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (name, value, seq)
    ) STRICT, WITHOUT ROWID""",
    "projected_marks": "(name TEXT PRIMARY KEY, through INTEGER NOT NULL) STRICT, WITHOUT ROWID",
}
INDEXES: dict[str, str] = {}

LONGEST = 200
"""Longer texts are what was said, not the name of a thing."""

_POSITIONS = {
    model.kind for model in (GitSeen, GitCommit, FileSeen, FileChanged, ScheduleSeen, ScheduleDue)
}
_ENDINGS = {StepFinished.kind, StepFailed.kind, StepVerified.kind}


def fold(connection: sqlite3.Connection, event: Event) -> None:
    """Note where an event is."""
    if event.type in _POSITIONS:
        connection.execute(
            "INSERT OR REPLACE INTO projected_latest VALUES (?, ?, ?, ?)",
            (event.source, event.subject, event.type, event.sequence),
        )
    if event.type in _ENDINGS or event.type == StepNoted.kind:
        rows = [(name, value, event.sequence) for name, value in texts_of(event).items()]
        connection.executemany("INSERT OR IGNORE INTO projected_mentions VALUES (?, ?, ?)", rows)


def texts_of(event: Event) -> dict[str, str]:
    """The things an event is about, by the names that its action gave them."""
    names: Mapping[str, object] = {}
    match event.payload:
        case StepNoted(about=about):
            return _texts(about)
        case StepFinished(outcome=outcome, action=action):
            names = {**outcome.provenance, ACTION: action}
        case StepFailed(action=action) | StepVerified(action=action):
            names = {ACTION: action}
    return _texts(names)


def _texts(names: Mapping[str, object]) -> dict[str, str]:
    return {
        name: value
        for name, value in names.items()
        if isinstance(value, str) and len(name) + len(value) <= LONGEST
    }


def newest_of(ledger: Opened, source: str, subject: str, types: Sequence[str]) -> Event | None:
    """The newest event of a source about a subject, of one of these types that sources write."""
    found = ledger.rows(
        "SELECT max(seq) FROM projected_latest WHERE source = ? AND subject = ?"
        f" AND type IN ({', '.join('?' * len(types))})",
        (source, subject, *types),
    )
    return next(iter(ledger.select("e.seq = ?", found[0]) if found else ()), None)


def things(ledger: Opened, names: Sequence[str], beginning: str) -> list[str]:
    """What events are about under one of these names, where it begins so; sorted."""
    found = ledger.rows(
        "SELECT DISTINCT value FROM projected_mentions"
        f" WHERE name IN ({', '.join('?' * len(names))}) AND value >= ? AND value < ?",
        (*names, beginning, f"{beginning}\U0010ffff"),
    )
    return sorted(value for (value,) in found)


def numbers_of(ledger: Opened, name: str) -> list[int]:
    """The sequence numbers of all that is about something with this name."""
    sql = "SELECT DISTINCT seq FROM projected_mentions WHERE name = ? ORDER BY seq"
    return [int(number) for (number,) in ledger.rows(sql, (name,))]
