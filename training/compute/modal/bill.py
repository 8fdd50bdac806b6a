"""What Modal billed, as `modal billing report --json` says it.

A row is what one app cost on one day of UTC, with the app's tags; the clients 1.5.4 and 1.6.4 have
the command. It is assumed that the description of a row is the name of the app, and that an app
that was redeployed keeps its tags. A call has no tags: a training that is to have rows of its own
has an app of its own, which the tag ``{key}`` asks for.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any, Final

from training.compute.billing import Billed, Report
from training.compute.spending import Period

__all__ = ["COMMAND", "billed"]

COMMAND: Final = "modal billing report"
_TIMEOUT_SECONDS = 60.0


def billed(period: Period) -> Report:
    """The bill of a day or a month, as far as it is written; with every app of the workspace."""
    begin, end = (
        f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d}" for each in (period.begin, period.end)
    )
    words = ["--start", begin, "--end", end, "--resolution", "d", "--tag-names", "*", "--json"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", *COMMAND.split(), *words],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            # Ctrl-C in a terminal goes to everybody in the session: it is for us alone
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Report(None, f"{COMMAND} did not answer within {_TIMEOUT_SECONDS:.0f} seconds")
    if done.returncode and "No such command" in done.stderr:
        return Report(None, f"this modal client has no {COMMAND}")
    try:
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        found = tuple(map(_row, rows))
    except (ValueError, KeyError, TypeError):
        said = (done.stderr or done.stdout).strip().strip("╰╯─╭╮│ \n").splitlines()
        words_of_it = " ".join(line.strip("│╭╮╰╯─ ") for line in said[-3:]).strip()
        return Report(None, f"{COMMAND}: {words_of_it or 'no answer'}")
    return Report(found)


def _row(row: dict[str, Any]) -> Billed:
    tags = row.get("tags") or {}
    return Billed(
        str(row["description"]),
        float(row["cost"]),
        dict(json.loads(tags) if isinstance(tags, str) else tags),
    )
