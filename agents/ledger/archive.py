"""Old payloads are put away into a file of their own, beside the ledger.

The ledger keeps every line with its hash, so that the chain goes on; what a line said is then read
from the archive. First it is written there, then it is taken out of the ledger: killed in between,
it is in both, and the same command goes on.
"""

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import NamedTuple

from agents.ledger.chain import GUARDS
from agents.ledger.failpoints import failpoint
from agents.ledger.file import archive_of, translated
from agents.ledger.payloads import ApprovalUsed, PlanApproved
from agents.ledger.store import Ledger

__all__ = ["Archived", "archive"]

_GUARD = "events_no_update"
_OLD = f"""
    FROM events AS e LEFT JOIN projected_runs AS r ON r.run = e.run
    WHERE e.time < ? AND e.data != '' AND (e.run = '' OR r.ended != '' AND r.ended < ?)
    AND e.type NOT IN ('{PlanApproved.kind}', '{ApprovalUsed.kind}')
    AND e.seq NOT IN (SELECT seq FROM projected_latest)"""
"""What is old: events of runs that ended, and of nobody's; not where a source is, nor approvals."""


class Archived(NamedTuple):
    """What was put away: so many payloads, into this file; the ledger takes so many bytes now."""

    events: int
    file: Path
    bytes: int


def archive(path: Path, before: date) -> Archived:
    """Put away the payloads of events that are older than a day, and of runs that ended before it.

    Raises:
        GoapError: The ledger cannot be written to, or is damaged.
    """
    with Ledger(path) as ledger:
        ledger.marked("archive")  # the projections are made while the payloads are there
    file = archive_of(path)
    day = before.isoformat()
    with translated(path), closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        count = _copy(connection, file, day)
        failpoint("ledger.archive:copied")
        if count:
            _take_out(connection, day)
            connection.execute("VACUUM")
    return Archived(count, file, path.stat().st_size)


def _copy(connection: sqlite3.Connection, file: Path, day: str) -> int:
    with closing(sqlite3.connect(file)) as away:
        away.execute("PRAGMA synchronous=FULL")
        columns = "(seq INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT"
        away.execute(f"CREATE TABLE IF NOT EXISTS payloads {columns}")
        with away:
            rows = connection.execute(f"SELECT e.seq, e.data {_OLD}", (day, day))
            return away.executemany("INSERT OR REPLACE INTO payloads VALUES (?, ?)", rows).rowcount


def _take_out(connection: sqlite3.Connection, day: str) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"DROP TRIGGER {_GUARD}")
        sql = f"UPDATE events SET data = '' WHERE seq IN (SELECT e.seq {_OLD})"
        connection.execute(sql, (day, day))
        connection.execute(GUARDS[_GUARD])
        failpoint("ledger.archive:uncommitted")
