"""The hash chain: whatever is done to a line of the ledger is found, and where."""

import hashlib
import json
import sqlite3
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.cli.main import invoke
from agents.errors import LedgerDamaged, UsageError
from agents.ledger.events import new_event
from agents.ledger.payloads import Foreign, StepNoted
from agents.ledger.store import Ledger

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def written(path, count=6):
    with Ledger(path) as ledger:
        for n in range(count):
            note = StepNoted(step="boil", action="boil", text=f"note {n}", about={"n": n})
            ledger.append(new_event(note, run="r1", subject="boil", id=f"id-{n}"))


def tampered(path, *statements):
    """Change the file as somebody would who does not want to be stopped by triggers."""
    connection = sqlite3.connect(path)
    with connection:
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
    connection.close()


def problems(path):
    with Ledger(path, readonly=True) as ledger:
        return ledger.check()


def swap(first, second):
    moves = ((first, -second), (second, first), (-second, second))
    return tuple(MOVED.format(old=old, new=new) for old, new in moves)


MOVED = "UPDATE events SET seq = {new} WHERE seq = {old}"
INSERTED = (
    "INSERT INTO events (seq, id, source, type, time, subject, run, data, hash) SELECT"
    " {seq}, 'x', source, type, time, subject, run, data, hash FROM events WHERE seq = 3"
)
TAMPERING = {
    "an edited payload": (["UPDATE events SET data = replace(data, 'note 2', 'note 9') "], 3),
    "an edited time": (["UPDATE events SET time = '2020' WHERE seq = 4"], 4),
    "another run": (["UPDATE events SET run = 'r2' WHERE seq = 2"], 2),
    "another subject": (["UPDATE events SET subject = 'brew' WHERE seq = 1"], 1),
    "another id": (["UPDATE events SET id = 'id-9' WHERE seq = 6"], 6),
    "an edited hash": (["UPDATE events SET hash = hex(zeroblob(32)) WHERE seq = 5"], 5),
    "the first one removed": (["DELETE FROM events WHERE seq = 1"], 2),
    "one removed": (["DELETE FROM events WHERE seq = 3"], 4),
    "the last one removed": (["DELETE FROM events WHERE seq = 6"], 6),
    "all removed": (["DELETE FROM events"], 1),
    "one removed and the others moved up": (
        ["DELETE FROM events WHERE seq = 3", "UPDATE events SET seq = seq - 1 WHERE seq > 3"],
        3,
    ),
    "one inserted at the end": ([INSERTED.format(seq=7)], 7),
    "one inserted in between": (
        [
            "UPDATE events SET seq = -seq WHERE seq > 3",
            "UPDATE events SET seq = 1 - seq WHERE seq < 0",
            INSERTED.format(seq=4),
        ],
        4,
    ),
    "two neighbours swapped": (swap(3, 4), 3),
    "two swapped from afar": (swap(2, 6), 2),
    "a chain made anew from the edited line on, but not to its end": (
        ["UPDATE events SET data = '{}', hash = 'x' WHERE seq = 4"],
        4,
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_whatever_is_done_to_a_line_is_found_with_its_number(tmp_path, name, capsys):
    path = tmp_path / "ledger.db"
    written(path)
    assert problems(path) == []
    statements, first = TAMPERING[name]
    tampered(path, *statements)
    (problem,) = problems(path)
    assert f"event {first} " in problem
    assert invoke(dict, ["doctor", f"state={tmp_path}", "--json"]) == 9
    (finding,) = [
        each for each in json.loads(capsys.readouterr().out)["data"] if each["check"] == "ledger"
    ]
    assert f"event {first} " in finding["found"]


def test_a_ledger_that_can_be_changed_is_said_to_be_so(tmp_path):
    path = tmp_path / "ledger.db"
    written(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DROP TRIGGER events_no_update")
    connection.close()
    assert "triggers" in problems(path)[0]


def test_triggers_that_refuse_nothing_are_said_to_be_gone(tmp_path):
    path = tmp_path / "ledger.db"
    written(path)
    connection = sqlite3.connect(path)
    with connection:
        for change in ("update", "delete"):
            connection.execute(f"DROP TRIGGER events_no_{change}")
            connection.execute(
                f"CREATE TRIGGER events_no_{change} BEFORE {change} ON events BEGIN SELECT 1; END"
            )
    connection.close()
    assert "triggers" in problems(path)[0]


NO_OBJECTS = {
    "a list": "UPDATE events SET data = '[1]' WHERE seq = 3",
    "null": "UPDATE events SET data = 'null' WHERE seq = 3",
    "a number": "UPDATE events SET data = '7' WHERE seq = 3",
    "a text": "UPDATE events SET data = '\"text\"' WHERE seq = 3",
    "no JSON": "UPDATE events SET data = 'note' WHERE seq = 3",
}


@pytest.mark.parametrize("kind", NO_OBJECTS)
@pytest.mark.parametrize("readonly", [True, False])
def test_a_payload_that_is_no_object_is_damage_and_is_named(tmp_path, kind, readonly):
    path = tmp_path / "ledger.db"
    written(path)
    tampered(path, NO_OBJECTS[kind])
    with (
        Ledger(path, readonly=readonly) as ledger,
        pytest.raises(LedgerDamaged, match="event 3 "),
    ):
        ledger.events()


@pytest.mark.parametrize("readonly", [True, False])
def test_a_chained_ledger_that_claims_to_be_an_earlier_one_is_refused(tmp_path, readonly):
    path = tmp_path / "ledger.db"
    written(path)
    tampered(path, "DELETE FROM migrations WHERE name LIKE '0003%'")
    with pytest.raises(LedgerDamaged, match="hashes"):
        Ledger(path, readonly=readonly)


def test_what_is_nested_too_deep_to_be_kept_is_refused_and_spoils_nothing(tmp_path):
    path = tmp_path / "ledger.db"
    written(path)
    deep: object = 0
    for _ in range(5000):
        deep = [deep]
    with Ledger(path) as ledger, pytest.raises(UsageError, match="nested too deep"):
        ledger.append(new_event(Foreign(of_type="made.up", data={"deep": deep})))
    assert problems(path) == []


def test_whoever_has_the_events_can_compute_the_chain_again(tmp_path):
    written(tmp_path / "ledger.db")
    with Ledger(tmp_path / "ledger.db", readonly=True) as ledger:
        envelopes = [event.envelope() for event in ledger.events()]
    previous = "0" * 64
    for envelope in envelopes:
        keys = ("id", "source", "type", "time", "subject", "run", "data")
        text = json.dumps(
            {key: envelope.get(key, "") for key in keys},
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        previous = hashlib.sha256((previous + text).encode()).hexdigest()
        assert envelope["hash"] == previous


def test_what_is_appended_twice_stands_in_the_chain_once(tmp_path):
    path = tmp_path / "ledger.db"
    written(path)
    written(path)
    with Ledger(path) as ledger:
        assert len(ledger.events()) == 6
        assert not ledger.receive(new_event(Foreign(of_type="t"), source="agents/r1", id="id-0"))
        last = ledger.append(new_event(Foreign(of_type="t")))
        assert last.sequence == 7
        assert ledger.check() == []


def test_processes_that_append_at_once_make_one_chain(tmp_path):
    program = (
        "import sys; from pathlib import Path; from agents.ledger.store import Ledger;"
        "from agents.ledger.events import new_event; from agents.ledger.payloads import Foreign;"
        "ledger = Ledger(Path(sys.argv[1]));"
        "[ledger.append(new_event(Foreign(of_type='t', data={'n': n}))) for n in range(15)]"
    )
    path = tmp_path / "ledger.db"
    processes = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0] * 3
    with Ledger(path, readonly=True) as ledger:
        assert len(ledger.events()) == 45
        assert ledger.check() == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=5), TEXT)
def test_any_json_is_kept_chained_and_read_again_as_it_was_stored(tmp_path_factory, said, subject):
    path = tmp_path_factory.mktemp("state") / "ledger.db"
    with Ledger(path) as ledger:
        stored = [
            ledger.append(new_event(Foreign(of_type="t", data=data), subject=subject))
            for data in said
        ]
        assert ledger.check() == []
    with Ledger(path, readonly=True) as ledger:
        assert ledger.events() == stored
        assert all("NaN" not in json.dumps(event.envelope()) for event in ledger.events())


@pytest.mark.slow
def test_a_hundred_thousand_events_are_checked_in_a_few_seconds(tmp_path):
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    with Ledger(path) as ledger:
        ledger._reading.connection.execute("PRAGMA synchronous=OFF")
        ledger._reading.connection.execute("PRAGMA journal_mode=MEMORY")
        note = StepNoted(step="boil", action="boil", text="steam " * 20, about={"n": 1})
        for _ in range(100_000):
            ledger.receive(new_event(note, run="r1", subject="boil"))
    began = time.monotonic()
    assert problems(path) == []
    assert time.monotonic() - began < 30
