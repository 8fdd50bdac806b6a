"""A look reads what it needs of the ledger: how much lies before it makes no difference."""

import json
import sqlite3
import sys
import threading
from collections import Counter
from contextlib import closing, contextmanager

import pytest

from agents import api
from agents.cli.main import invoke
from agents.ledger.events import new_event
from agents.ledger.history import run_histories
from agents.ledger.migrations import MIGRATIONS
from agents.ledger.payloads import Foreign, GitSeen
from agents.ledger.projections import FORMAT, differences
from agents.ledger.projections.places import newest_of
from agents.ledger.projections.runs import open_runs
from agents.ledger.store import ClosedLedger, Ledger

COMMANDS = [
    ["plan", "goal=served"],
    ["run", "goal=served"],
    ["show", "last"],
    ["runs"],
    ["status", "goal=served"],
    ["explain", "served"],
]


class Parsed(Counter):
    """Sequence number → how often that line was parsed."""

    def look(self, frame, event, _argument):
        code = frame.f_code
        if event == "call" and code.co_name == "event_of" and "ledger" in code.co_filename:
            self[frame.f_locals["row"].sequence] += 1


@contextmanager
def counting():
    """What is parsed meanwhile, in this thread and in those that are started."""
    parsed = Parsed()
    threading.setprofile(parsed.look)
    sys.setprofile(parsed.look)
    try:
        yield parsed
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.fixture
def before(kit):
    """A ledger with two runs, of which what they made is gone."""
    kit.run()
    for name in ("tea", "hot"):
        (kit.tea.root / name).unlink()
    kit.run()
    (kit.tea.root / "tea").unlink()


def parsed_by(kit, words):
    with counting() as parsed:
        assert invoke(lambda: kit.catalogue, [*words, f"state={kit.state}"]) == 0
    return parsed.total()


def older(kit, count):
    """Put so many events of others, and another run, before what follows."""
    with Ledger(kit.state / "ledger.db") as ledger:
        ledger.receive_all([new_event(Foreign(of_type="order.placed")) for _ in range(count)])


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_command_reads_no_more_of_a_ledger_with_a_thousand_events_before(kit, before, words):
    parsed_by(kit, words)
    (kit.tea.root / "tea").unlink(missing_ok=True)
    first = parsed_by(kit, words)
    (kit.tea.root / "tea").unlink(missing_ok=True)
    older(kit, 1000)
    assert parsed_by(kit, words) <= first


def test_the_rows_of_runs_are_what_their_events_tell(kit, before):
    with Ledger(kit.state / "ledger.db", readonly=True) as ledger:
        told = run_histories(ledger.events())
    rows = [row.model_dump() for row in api.runs(kit.state)]
    assert len(rows) == 2
    for row, run in zip(rows, told, strict=True):
        estimate = row.pop("estimate")
        assert estimate == pytest.approx(run.estimate)
        assert {**row, "estimate": run.estimate} == run.summary()


def whole(path):
    """Nothing is wrong with the events, and the projections say what they say."""
    with Ledger(path) as ledger:
        return not ledger.check() and not differences(ledger._reading)


def test_projections_that_grew_are_those_that_are_made_anew(kit, before):
    assert whole(kit.state / "ledger.db")


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE projected SET format = 'of tomorrow'",
        "UPDATE projected SET through = through - 3",
        "UPDATE projected SET hash = 'another'",
        "DROP TABLE projected",
        "DELETE FROM projected",
    ],
)
def test_projections_of_another_format_or_another_past_are_made_again(kit, before, harm):
    path, rows = kit.state / "ledger.db", api.runs(kit.state)
    with closing(sqlite3.connect(path)) as connection, connection:
        if "through" in harm:  # what they do not know yet must not be in them
            connection.execute("UPDATE projected SET hash = 'of an event that is not there'")
        connection.execute(harm)
    assert api.runs(kit.state) == rows
    assert whole(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT format FROM projected").fetchone() == (FORMAT,)


def test_what_another_version_appended_is_added_by_the_next_who_looks(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger(path) as ours, Ledger(path) as theirs:
        ours.append(new_event(GitSeen(commit="a", branch="main"), source="git", subject="main"))
        with closing(sqlite3.connect(path)) as connection, connection:
            kept = connection.execute("SELECT * FROM projected").fetchone()
        theirs.append(new_event(GitSeen(commit="b", branch="main"), source="git", subject="main"))
        with closing(sqlite3.connect(path)) as connection, connection:
            # the projections as they were before: who wrote last did not know them
            connection.execute("UPDATE projected SET through = ?, hash = ?", kept[1:])
            connection.execute("DELETE FROM projected_latest")
        newest = newest_of(ours, "git", "main", [GitSeen.kind])
        assert newest.payload.commit == "b"
        ours.append(new_event(GitSeen(commit="c", branch="main"), source="git", subject="main"))
    assert newest_of(ours, "git", "main", [GitSeen.kind]) is None  # it is closed
    with Ledger(path, readonly=True) as reader:
        assert newest_of(reader, "git", "main", [GitSeen.kind]).payload.commit == "c"


def test_what_another_process_appends_is_seen_at_the_next_look(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger(path) as ours, Ledger(path) as theirs:
        ours.append(new_event(Foreign(of_type="a")))
        assert len(ours.events()) == 1
        theirs.append(new_event(Foreign(of_type="b")))
        ours.append(new_event(Foreign(of_type="c")))
        assert [event.type for event in ours.events()] == ["a", "b", "c"]
        assert [event.type for event in ours.events(after=1)] == ["b", "c"]
        assert [event.type for event in theirs.events(types=("a", "c"))] == ["a", "c"]


def test_the_past_is_read_from_either_end_and_ends_where_it_ended_at_the_first_look(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.receive_all(
            [new_event(Foreign(of_type="ab"[n % 2], data={"n": n})) for n in range(1203)]
        )
        past = ledger.past
        assert [event.data["n"] for event in past] == list(range(1203))
        assert [event.data["n"] for event in reversed(past)] == list(range(1203))[::-1]
        assert [event.sequence for event in past.of("b", after=1100)] == list(range(1102, 1204, 2))
        assert (len(past), past[-1].sequence, bool(past.of("c"))) == (1203, 1203, False)
        with counting() as parsed:
            next(iter(past))
            next(reversed(past))
        assert parsed.total() == 1000
        seen = 0
        for _ in past.of("a", after=1190):
            seen += 1
            ledger.append(new_event(Foreign(of_type="a")))
        assert seen == 7


def test_a_ledger_of_the_first_version_is_read_to_its_end_before_it_is_migrated(tmp_path):
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY) STRICT")
        for name, migrate in MIGRATIONS[:2]:
            migrate(connection)
            connection.execute("INSERT INTO migrations VALUES (?)", (name,))
        begun = json.dumps({"goal": "g", "params": {}})
        connection.executemany(
            "INSERT INTO events (id, source, type, time, subject, run, data)"
            " VALUES (?, 's', 'run.started', '2026-01-01T00:00:00.000Z', 'g', ?, ?)",
            [(f"{n}", f"r{n:05d}", begun) for n in range(4_500)],
        )
    read = open_runs(ClosedLedger(path))
    assert len(read) == 4_500
    with Ledger(path) as ledger:
        assert open_runs(ledger) == read
    assert whole(path)
