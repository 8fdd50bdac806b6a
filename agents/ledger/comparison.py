"""Two runs side by side: what was asked, done, measured, and how long it took."""

from typing import Any

from agents.ledger.history import RunHistory

__all__ = ["compare_runs"]

Numbers = dict[tuple[str, str], dict[str, Any]]


def compare_runs(a: RunHistory, b: RunHistory) -> dict[str, Any]:
    """What differs between two runs, as plain data; equal things are left out, except durations."""
    return {
        "a": a.summary(),
        "b": b.summary(),
        "params": {
            key: [a.params.get(key), b.params.get(key)]
            for key in sorted({*a.params, *b.params})
            if a.params.get(key) != b.params.get(key)
        },
        "plans": [_digests(a), _digests(b)] if _digests(a) != _digests(b) else [],
        "steps": _steps(a, b),
        "measurements": _numbers(a, b),
        "failures": [_failures(a), _failures(b)] if _failures(a) != _failures(b) else [],
    }


def _digests(run: RunHistory) -> list[str]:
    return [plan.digest for plan in run.plans]


def _failures(run: RunHistory) -> list[str]:
    return [f"{each.action}: {each.name}" for each in run.failures]


def _steps(a: RunHistory, b: RunHistory) -> list[dict[str, Any]]:
    rows_a, rows_b = ({row["action"]: row for row in run.steps} for run in (a, b))
    return [
        {"action": action, "a": _ended(rows_a.get(action)), "b": _ended(rows_b.get(action))}
        for action in dict.fromkeys([*rows_a, *rows_b])
    ]


def _ended(row: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {"status": row["status"], "seconds": row["seconds"]}


def _numbers(a: RunHistory, b: RunHistory) -> list[dict[str, Any]]:
    of_a, of_b = _measured(a), _measured(b)
    rows = []
    for key in dict.fromkeys([*of_a, *of_b]):
        before, after = of_a.get(key), of_b.get(key)
        old, new = (None if each is None else each["value"] for each in (before, after))
        if old == new:
            continue
        unit = (before or after or {}).get("unit", "")
        change = None if old is None or new is None else new - old
        row = {"action": key[0], "name": key[1], "unit": unit, "a": old, "b": new, "change": change}
        rows.append(row)
    return rows


def _measured(run: RunHistory) -> Numbers:
    return {
        (row["action"], each["name"]): each
        for row in run.steps
        for each in [*row["measurements"], *row["gates"]]
    }
