"""Steps: which go on, what they were expected to take and took, and which were never ended."""

import sqlite3
from typing import NamedTuple

from agents.command import command
from agents.errors import FailureClass, LedgerDamaged
from agents.ledger.events import Event
from agents.ledger.payloads import RunFinished, StepFailed, StepFinished, StepStarted
from agents.ledger.rows import Opened

__all__ = ["INDEXES", "MOST_SAMPLES", "TABLES", "Sample", "begun", "fold", "samples"]

TABLES = {
    "projected_steps": """(
        run TEXT NOT NULL,
        step TEXT NOT NULL,
        action TEXT NOT NULL,
        basis TEXT NOT NULL,
        declared REAL,
        expected REAL,
        machines INTEGER NOT NULL,
        PRIMARY KEY (run, step)
    ) STRICT, WITHOUT ROWID""",
    "projected_begun": """(
        what TEXT NOT NULL,
        action TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (what, action)
    ) STRICT, WITHOUT ROWID""",
    "projected_samples": """(
        seq INTEGER PRIMARY KEY,
        action TEXT NOT NULL,
        basis TEXT NOT NULL,
        declared REAL NOT NULL,
        expected REAL NOT NULL,
        took REAL NOT NULL
    ) STRICT""",
    "projected_took": """(
        run TEXT PRIMARY KEY,
        expected REAL NOT NULL,
        took REAL NOT NULL
    ) STRICT, WITHOUT ROWID""",
}
INDEXES = {"projected_samples_by_action": "projected_samples (action, basis, seq)"}

MOST_SAMPLES = 20
LEAST_SECONDS = 0.01
_LET_GO = (str(FailureClass.INTERRUPTED), str(FailureClass.TRANSIENT))
_READ = (StepStarted.kind, StepFinished.kind, StepFailed.kind, RunFinished.kind)


class Sample(NamedTuple):
    """One finished step: what was declared, what was expected of it then, what it took."""

    declared: float
    expected: float
    took: float


def fold(connection: sqlite3.Connection, event: Event) -> None:
    """Add an event of a step."""
    if event.type not in _READ:
        return
    match event.payload:
        case StepStarted() as began:
            _started(connection, event, began)
        case StepFinished() as finished:
            _finished(connection, event, finished)
            _known(connection, event.run, finished.action)
        case StepFailed(action=action, failure_class=failure_class):
            if failure_class not in _LET_GO:
                _known(connection, event.run, action)
        case RunFinished():
            connection.execute("DELETE FROM projected_steps WHERE run = ?", (event.run,))


def _started(connection: sqlite3.Connection, event: Event, began: StepStarted) -> None:
    row = (event.run, began.step, began.action, began.basis)
    connection.execute(
        "INSERT OR REPLACE INTO projected_steps VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*row, began.declared_seconds, began.expected_seconds, began.machines),
    )
    connection.execute(
        "INSERT OR IGNORE INTO projected_begun SELECT what, ?, ? FROM projected_runs WHERE run = ?",
        (began.action, event.sequence, event.run),
    )


def _known(connection: sqlite3.Connection, run: str, action: str) -> None:
    """What became of an action is known."""
    connection.execute(
        "DELETE FROM projected_begun WHERE action = ?"
        " AND what = (SELECT what FROM projected_runs WHERE run = ?)",
        (action, run),
    )


def _finished(connection: sqlite3.Connection, event: Event, finished: StepFinished) -> None:
    step = (event.run, finished.step)
    found = connection.execute(
        "SELECT action, basis, declared, expected, machines FROM projected_steps"
        " WHERE run = ? AND step = ?",
        step,
    ).fetchone()
    if found is None:
        return
    connection.execute("DELETE FROM projected_steps WHERE run = ? AND step = ?", step)
    action, basis, declared, expected, machines = found
    if expected is None:
        return
    connection.execute(
        "INSERT INTO projected_took VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE"
        " SET expected = expected + excluded.expected, took = took + excluded.took",
        (event.run, expected, finished.seconds),
    )
    if declared is None:
        return
    sample = Sample(declared, expected, _took(finished, machines))
    connection.execute(
        "INSERT INTO projected_samples VALUES (?, ?, ?, ?, ?, ?)",
        (event.sequence, action, basis, *sample),
    )
    connection.execute(
        "DELETE FROM projected_samples WHERE action = ?1 AND basis = ?2 AND seq <= (SELECT seq FROM"
        " projected_samples WHERE action = ?1 AND basis = ?2 ORDER BY seq DESC LIMIT 1 OFFSET ?3)",
        (action, basis, MOST_SAMPLES),
    )


def _took(finished: StepFinished, machines: int) -> float:
    """The time the step took; its own measurement when that is more.

    That counts earlier attempts, and each machine.
    """
    measurements = finished.outcome.measurements
    own = [each.value / machines for each in measurements if each.name == "seconds"]
    return max(LEAST_SECONDS, finished.seconds, *own)


def samples(ledger: Opened) -> dict[tuple[str, str], list[Sample]]:
    """The last finished steps by action and basis, oldest first."""
    found: dict[tuple[str, str], list[Sample]] = {}
    sql = "SELECT action, basis, declared, expected, took FROM projected_samples ORDER BY seq"
    for action, basis, *numbers in ledger.rows(sql):
        if not all(isinstance(each, float) for each in numbers):
            raise LedgerDamaged("what steps took is damaged", fix=command("doctor"))
        found.setdefault((action, basis), []).append(Sample(*numbers))
    return found


def begun(ledger: Opened, what: str) -> list[str]:
    """Actions of which nobody knows how they ended, by the digest of what was asked for."""
    sql = "SELECT action FROM projected_begun WHERE what = ? ORDER BY seq"
    return [action for (action,) in ledger.rows(sql, (what,))]
