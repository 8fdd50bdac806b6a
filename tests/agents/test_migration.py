"""Ledgers that version 0.1 wrote are read, migrated, and never left half done."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from actions.contributions import TRAINING
from agents.cli.main import invoke
from agents.errors import LedgerDamaged
from agents.ledger.events import new_event, of_kind
from agents.ledger.failpoints import VARIABLE
from agents.ledger.history import run_histories
from agents.ledger.payloads import (
    ApprovalUsed,
    FactsObserved,
    FileChanged,
    Foreign,
    GitCommit,
    MoneyReserved,
    PlanApproved,
    PlanMade,
    RunStarted,
    StepFailed,
    StepFinished,
    StepNoted,
    TriggerHandled,
    WebhookReceived,
)
from agents.ledger.store import Ledger
from agents.records.verify import verify_records

EARLIER = Path(__file__).parent / "earlier"
OPENING = (
    "import sys; from pathlib import Path; from agents.ledger.failpoints import arm;"
    "from agents.ledger.store import Ledger; arm(); Ledger(Path(sys.argv[1])).close()"
)


def restored(name, path):
    """The ledger that was dumped by that name."""
    connection = sqlite3.connect(path)
    connection.executescript((EARLIER / name).read_text(encoding="utf-8"))
    connection.close()
    return path


@pytest.fixture(params=["kitchen.sql", "training.sql"])
def earlier(request, tmp_path):
    return restored(request.param, tmp_path / "ledger.db")


@pytest.fixture
def kitchen(tmp_path):
    return restored("kitchen.sql", tmp_path / "ledger.db")


def told(path, *, readonly=True):
    with Ledger(path, readonly=readonly) as ledger:
        return ledger.events()


def said(events):
    return [(each.sequence, each.id, each.source, each.time, each.payload) for each in events]


def first(events, kind):
    return next(payload for _, payload in of_kind(events, kind))


def test_what_is_read_before_the_migration_is_what_is_read_after_it(earlier):
    bytes_before = earlier.read_bytes()
    before = told(earlier)
    assert earlier.read_bytes() == bytes_before
    assert {event.hash for event in before} == {""}
    assert said(told(earlier, readonly=False)) == said(before)
    after = told(earlier)
    assert said(after) == said(before)
    assert all(len(event.hash) == 64 for event in after)


def test_a_migrated_ledger_is_whole_append_only_and_goes_on(earlier):
    with Ledger(earlier) as ledger:
        assert ledger.check() == []
        last = ledger.events()[-1]
        assert ledger.append(new_event(Foreign(of_type="t"))).sequence == last.sequence + 1
        assert ledger.check() == []
        for change in ("UPDATE events SET data = '{}'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                ledger._reading.connection.execute(change)


def test_every_payload_has_the_shape_of_now(kitchen):
    events = told(kitchen)
    started = first(events, RunStarted)
    assert (started.goal, started.what, started.how) == ("served", {"sugar": 0}, {})
    killed = [each for _, each in of_kind(events, RunStarted)][-1]
    assert killed.provenance.git is not None
    assert killed.provenance.git.commit == "c0ffee"
    readings = first(events, FactsObserved).readings
    assert (readings["power"].value, readings["tea"].value) == (True, False)
    noted = first(events, StepNoted)
    assert (noted.text, noted.log, noted.about) == ("poured", "pour\npour", {"cups": 2})
    (nan, cups) = first(
        [each for each in events if each.subject == "brew"], StepFinished
    ).outcome.measurements
    assert nan.value != nan.value
    assert cups.value == 2
    assert "NaN" not in json.dumps([event.envelope() for event in events])
    failed = Counter((each.failure_class, each.name) for _, each in of_kind(events, StepFailed))
    assert failed == {("transient", "no_water"): 1, ("resource", "spilled"): 1}
    plan = first(events, PlanMade)
    assert plan.approval == ("brew",)
    assert plan.digest == first(events, PlanApproved).digest
    assert first(events, ApprovalUsed).max_cost == 4.0
    assert first(events, MoneyReserved).usd == 1.5
    assert first(events, TriggerHandled).status == "not_approved"
    assert first(events, WebhookReceived).fields == {"ref": "refs/heads/main", "n": 3, "ok": True}
    assert first(events, GitCommit).paths == ("x",)
    assert first(events, FileChanged).paths == ("a.jpg",)
    assert events[[e.type for e in events].index("guest.arrived")].payload == Foreign(
        of_type="guest.arrived", data={"name": "Ada", "seats": 2}
    )


def test_numbers_of_facts_are_numbers(tmp_path):
    events = told(restored("training.sql", tmp_path / "ledger.db"))
    for _, observed in of_kind(events, FactsObserved):
        assert isinstance(observed.readings["free_mb"].value, int | float)
        assert all(not isinstance(each.value, str) for each in observed.readings.values())


@pytest.mark.parametrize("migrate", [False, True])
def test_commands_tell_the_runs_of_an_earlier_ledger(kitchen, migrate, capsys):
    if migrate:
        Ledger(kitchen).close()
    runs = run_histories(told(kitchen))
    assert [run.status for run in runs] == [
        "running",
        "not_approved",
        "not_approved",
        "done",
        "not_approved",
    ]
    for words in (["runs"], ["show", runs[3].run], ["report", runs[3].run], ["doctor"]):
        assert invoke(dict, [*words, f"state={kitchen.parent}"]) in (0, 1), words
    assert "spilled" in capsys.readouterr().out


def test_records_of_an_earlier_ledger_still_verify(tmp_path):
    path = restored("training.sql", tmp_path / "ledger.db")
    shutil.copytree(EARLIER / "records", tmp_path / "repo")
    assert verify_records(told(path), tmp_path / "repo", subject=TRAINING).ok
    assert verify_records(told(path, readonly=False), tmp_path / "repo", subject=TRAINING).ok


def opened(path, kill):
    """How opening the ledger for writing ends, in a process that is killed at a place."""
    environment = {**os.environ, VARIABLE: kill}
    words = [sys.executable, "-c", OPENING, str(path)]
    return subprocess.run(words, env=environment, check=False).returncode


def grown(path, count):
    """More events of the old kind, so that the migration does not fit into SQLite's memory."""
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            "INSERT INTO events (id, source, type, time, subject, run, data)"
            " VALUES (?, 's', 'step.noted', 't', '', 'r', ?)",
            [
                (str(n), json.dumps({"step": "s", "action": "a", "log": "x" * 3000}))
                for n in range(count)
            ],
        )
    connection.close()


@pytest.mark.parametrize("count", [0, pytest.param(2500, marks=pytest.mark.slow)])
def test_killed_at_any_place_of_the_migration_the_old_ledger_is_whole(kitchen, tmp_path, count):
    grown(kitchen, count)
    before = said(told(kitchen))
    trace = tmp_path / "trace"
    whole = tmp_path / "whole.db"
    shutil.copy(kitchen, whole)
    assert opened(whole, f"@{trace}") == 0
    places = trace.read_text(encoding="utf-8").split()
    assert {"ledger.migrating:column", "ledger.migrating:rows", "ledger.migrating:triggers"} <= set(
        places
    )
    for number in range(1, len(places) + 1):
        copy = tmp_path / f"killed-{number}.db"
        shutil.copy(kitchen, copy)
        assert opened(copy, f"*:{number}") == -signal.SIGKILL
        assert said(told(copy)) == before, places[number - 1]
        assert said(told(copy, readonly=False)) == before, places[number - 1]
        with Ledger(copy, readonly=True) as ledger:
            assert ledger.check() == [], places[number - 1]


def test_processes_that_migrate_at_once_do_it_once(kitchen):
    before = said(told(kitchen))
    processes = [subprocess.Popen([sys.executable, "-c", OPENING, str(kitchen)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert said(told(kitchen)) == before


def test_an_earlier_ledger_with_a_line_that_cannot_be_read_is_left_as_it_is(kitchen):
    connection = sqlite3.connect(kitchen)
    with connection:
        connection.execute(
            "INSERT INTO events (id, source, type, time, subject, run, data)"
            " VALUES ('x', 's', 'facts.observed', 't', '', 'r', '{\"readings\": [1]}')"
        )
    connection.close()
    before = kitchen.read_bytes()
    for readonly in (True, False):
        with pytest.raises(LedgerDamaged, match="event 55"):
            told(kitchen, readonly=readonly)
    assert kitchen.read_bytes() == before


def test_an_earlier_ledger_without_its_triggers_is_migrated_and_has_them_again(kitchen):
    before = told(kitchen)
    connection = sqlite3.connect(kitchen)
    connection.executescript("DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete")
    connection.close()
    assert said(told(kitchen, readonly=False)) == said(before)
    connection = sqlite3.connect(kitchen)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM events")
    connection.close()
