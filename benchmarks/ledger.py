"""What commands take as the ledger grows: ``python benchmarks/ledger.py [SIZES…] [--keep FOLDER]``.

Each ledger has four runs that measured something, with their records, and then runs of twelve
events each among as many events of others: orders, files that changed, deliveries. Every command is
a process of its own, seven times; the commands and the sizes take turns. Told are the medians of
the seconds that passed and of those of the processor, which others on the machine change less, and
the most memory that was resident. With ``--code``, the program of another checkout is asked.
"""

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import NamedTuple

from agents.ledger.chain import FIRST, Line, canonical, link
from agents.ledger.events import Event, new_event
from agents.ledger.payloads import (
    FactsObserved,
    FileChanged,
    Foreign,
    MoneyReserved,
    MoneySettled,
    Payload,
    PlanMade,
    PlanStep,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepNoted,
    StepStarted,
    StepVerified,
)
from agents.ledger.store import Ledger

ROOT = Path(__file__).parents[1]
SIZES = (100, 10_000, 100_000, 1_000_000)
COMMANDS = {
    "plan": ("plan", "goal=kept"),
    "status": ("status", "goal=kept"),
    "runs": ("runs",),
    "show last": ("show", "last"),
    "watch --once": ("watch", "--once", "goal=kept"),
    "adr verify": ("adr", "verify"),
}
ROUNDS = 7
INSERT = (
    "INSERT INTO events (id, source, type, time, subject, run, data, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class Taken(NamedTuple):
    """Seconds that passed, seconds of the processor, and mebibytes."""

    seconds: float
    processor: float
    memory: float


def said_of_a_run(number: int, decision: dict[str, object] | None) -> Iterator[Payload]:
    """Twelve payloads; a run with a decision is one that records tell of."""
    step = {"step": "keep", "action": "keep"}
    paid = {**step, "account": "house", "usd": 0.5}
    outcome = {"summary": "kept", "measurements": [{"name": "rooms", "value": 3.0 + number % 7}]}
    if decision:
        outcome |= {"decision": decision, "provenance": {"house": f"{number}"}}
    seconds = 50.0 + number % 20
    yield RunStarted(goal="kept", request="0" * 64, version="1", max_cost=9.0)
    yield FactsObserved.model_validate({"readings": {"kept": {"value": False, "evidence": "no"}}})
    made = {"digest": "1" * 64, "status": "found", "cost": 1.0, "seconds": 60.0, "usd": 0.5}
    steps = [PlanStep(id="keep", action="keep", after=())]
    yield PlanMade.model_validate({**made, "seconds_range": [20.0, 60.0, 180.0], "steps": steps})
    yield MoneyReserved.model_validate(paid)
    yield StepStarted.model_validate({**step, "declared_seconds": 60.0, "expected_seconds": 60.0})
    yield StepNoted.model_validate({**step, "text": "sweeping", "log": "a line of it\n" * 5})
    failed = number % 5 == 0 and not decision
    if failed:
        yield StepFailed.model_validate({**step, "class": "permanent", "name": "x", "message": "x"})
    else:
        yield StepFinished.model_validate({**step, "seconds": seconds, "outcome": outcome})
        yield StepVerified.model_validate({**step, "facts": {"kept": {"value": True}}})
    yield MoneySettled.model_validate(paid)
    yield FactsObserved.model_validate({"readings": {"kept": {"value": True, "evidence": "yes"}}})
    for _ in range(1 + failed):
        yield StepNoted.model_validate({**step, "text": "swept"})
    yield RunFinished(status="stalled" if failed else "done", exit_code=int(failed))


def events() -> Iterator[Event]:
    """Events without end, the same every time but for their ids."""
    for number in count():
        run = f"20260101-000000-{number:08d}"
        decision = None
        if number < 4:
            decision = {"key": f"k{number}", "title": f"Keep {number}", "context": "A house."}
            decision |= {"decision": "Keep it."}
        for payload in said_of_a_run(number, decision):
            subject = getattr(payload, "step", "kept")
            yield new_event(payload, run=run, subject=subject)
        for _ in range(6):
            yield new_event(Foreign(of_type="order.placed", data={"n": number, "for": "a room"}))
        for part in range(6):
            changed = FileChanged(fingerprint=f"{number:032x}{part:032x}", paths=("rooms/a.txt",))
            yield new_event(changed, source="file:rooms")


def build(path: Path, size: int) -> float:
    """Make a ledger of so many events; the seconds that its projections took alone."""
    Ledger(path).close()
    previous = FIRST
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = []
        for _, event in zip(range(size), events(), strict=False):
            texts = (event.id, event.source, event.type, event.time, event.subject, event.run)
            line = Line(*texts, canonical(event.payload.to_json()))
            previous = link(previous, line)
            rows.append((*line, previous))
            if len(rows) == 10_000:
                connection.executemany(INSERT, rows)
                rows = []
        connection.executemany(INSERT, rows)
    began = time.monotonic()
    with Ledger(path) as ledger:
        ledger.marked("nothing")  # whoever asks brings them up to date
    return time.monotonic() - began


def taken(words: list[str], folder: Path, code: Path) -> Taken:
    """What one process takes."""
    environment = {**os.environ, "GOAP_CATALOGUE": "ledger_job:CATALOGUE"}
    environment["PYTHONPATH"] = str(ROOT / "benchmarks")
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-P", str(code / "goap_start.py"), *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    assert process.returncode == 0, said.decode()
    seconds = time.perf_counter() - started
    return Taken(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("sizes", type=int, nargs="*", default=SIZES)
    options.add_argument("--code", type=Path, default=ROOT)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--keep", type=Path, help="where the ledgers are, or are made and stay")
    said = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folders = {size: Path(said.keep or temporary, str(size)) for size in said.sizes}
        for size, folder in folders.items():
            if (folder / "plans").exists():
                continue
            (folder / ".goap").mkdir(parents=True)
            seconds = build(folder / ".goap" / "ledger.db", size)
            megabytes = (folder / ".goap" / "ledger.db").stat().st_size / 1e6
            print(f"{size:,} events: {megabytes:,.1f} MB; projections made anew in {seconds:.1f} s")
            taken(["adr", "write"], folder, said.code)
        found = {(name, size): [] for name in COMMANDS for size in folders}
        for _ in range(said.rounds + 1):
            for name, words in COMMANDS.items():
                for size, folder in folders.items():
                    found[name, size].append(taken([*words], folder, said.code))
    print("\n| command | " + " | ".join(f"{size:,}" for size in folders) + " | last : first |")
    print("|---" * (len(folders) + 2) + "|")
    for name in COMMANDS:
        rows = [found[name, size][1:] for size in folders]
        passed = [statistics.median(each.seconds for each in row) for row in rows]
        worked = [statistics.median(each.processor for each in row) for row in rows]
        most = [max(each.memory for each in row) for row in rows]
        cells = [
            f"{a:.2f} s ({b:.2f}), {c:.0f} MB" for a, b, c in zip(passed, worked, most, strict=True)
        ]
        ratios = f"{passed[-1] / passed[0]:.2f} ({worked[-1] / worked[0]:.2f})"
        print(f"| `{name}` | {' | '.join(cells)} | {ratios} |")


if __name__ == "__main__":
    main()
