"""The runs in one row each, and which of them have an outcome that records may tell."""

import sqlite3
from collections.abc import Sequence

from agents.ledger.events import Event
from agents.ledger.payloads import (
    MoneySettled,
    PlanMade,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepVerified,
)
from agents.ledger.rows import Opened

__all__ = ["INDEXES", "TABLES", "fold", "open_runs", "runs_of_outcomes", "runs_since_an_end"]

TABLES = {
    "projected_runs": """(
        first INTEGER PRIMARY KEY,
        run TEXT NOT NULL UNIQUE,
        goal TEXT NOT NULL DEFAULT '',
        what TEXT NOT NULL DEFAULT '',
        status TEXT NOT NULL DEFAULT 'running',
        exit_code INTEGER,
        started TEXT NOT NULL DEFAULT '',
        ended TEXT NOT NULL DEFAULT '',
        plans INTEGER NOT NULL DEFAULT 0,
        steps INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        usd REAL NOT NULL DEFAULT 0,
        outcomes INTEGER NOT NULL DEFAULT 0
    ) STRICT"""
}
INDEXES = {
    "projected_runs_by_what": "projected_runs (what, first)",
    "projected_runs_open": "projected_runs (first) WHERE status = 'running'",
    "projected_runs_of_outcomes": "projected_runs (first) WHERE outcomes = 1",
}

_COUNTED = {PlanMade.kind: "plans", StepVerified.kind: "steps", StepFailed.kind: "failures"}


def fold(connection: sqlite3.Connection, event: Event) -> None:
    """Add an event to its run."""
    if not event.run:
        return
    connection.execute(
        "INSERT OR IGNORE INTO projected_runs (first, run) VALUES (?, ?)",
        (event.sequence, event.run),
    )
    count = _COUNTED.get(event.type)
    if count is not None:
        _set(connection, event, f"{count} = {count} + 1")
    elif event.type in _READ:
        _fold_payload(connection, event)


_READ = (RunStarted.kind, RunFinished.kind, MoneySettled.kind, StepFinished.kind)


def _fold_payload(connection: sqlite3.Connection, event: Event) -> None:
    match event.payload:
        case RunStarted() as began:
            known = (began.goal, began.what_digest, event.time)
            _set(connection, event, "goal = ?, what = ?, started = ?", *known)
        case RunFinished() as ended:
            end = (event.time, ended.status, ended.exit_code)
            _set(connection, event, "ended = ?, status = ?, exit_code = ?", *end)
        case MoneySettled(usd=float(usd)):
            _set(connection, event, "usd = usd + ?", usd)
        case StepFinished(outcome=outcome) if outcome.decision or outcome.provenance:
            _set(connection, event, "outcomes = 1")


def _set(connection: sqlite3.Connection, event: Event, change: str, *values: object) -> None:
    sql = f"UPDATE projected_runs SET {change} WHERE run = ?"
    connection.execute(sql, (*values, event.run))


def open_runs(ledger: Opened) -> dict[str, str]:
    """Runs whose end was not written, with their goals: one may run now, others were killed."""
    return dict(
        ledger.rows(
            "SELECT run, goal FROM projected_runs"
            " WHERE status = 'running' AND ended = '' AND started != '' ORDER BY first"
        )
    )


def runs_since_an_end(ledger: Opened, what: str, cut_off: Sequence[str]) -> list[str]:
    """The runs for the same after the last that ended by itself, newest first.

    Args:
        ledger: Is asked.
        what: Digest of what was asked for.
        cut_off: How a run ended that did not end by itself.
    """
    ended = f"ended != '' AND status NOT IN ({', '.join('?' * len(cut_off))})"
    rows = ledger.rows(
        "SELECT run FROM projected_runs WHERE what = ? AND first > coalesce("
        f"(SELECT max(first) FROM projected_runs WHERE what = ? AND {ended}), 0)"
        " ORDER BY first DESC",
        (what, what, *cut_off),
    )
    return [run for (run,) in rows]


def runs_of_outcomes(ledger: Opened) -> list[str]:
    """The runs that have an outcome worth telling."""
    sql = "SELECT run FROM projected_runs WHERE outcomes = 1 ORDER BY first"
    return [run for (run,) in ledger.rows(sql)]
