"""The ledger: append-only, durable, idempotent, and honest about damage."""

import sqlite3
import sys
import threading
from contextlib import closing

import pytest

from agents.errors import LedgerDamaged, Transient
from agents.ledger.events import new_event
from agents.ledger.migrations import MIGRATIONS
from agents.ledger.payloads import StepNoted
from agents.ledger.store import Ledger


def event(n=1, run="r1"):
    return new_event(StepNoted(step="s", action="a", about={"n": n}), run=run, id=f"id-{n}")


def test_events_come_back_in_the_order_they_were_appended(tmp_path):
    with Ledger(tmp_path / "state" / "ledger.db") as ledger:
        for n in range(5):
            ledger.append(event(n))
        ledger.append(event(9, run="other"))
        assert [each.payload.about["n"] for each in ledger.events(run="r1")] == [0, 1, 2, 3, 4]
        assert [each.sequence for each in ledger.events(after=4)] == [5, 6]
        assert ledger.events(types=("run.started",)) == []


def test_the_envelope_is_cloudevents_1_0(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        document = ledger.append(event()).envelope()
    assert {"specversion", "id", "source", "type"} <= set(document)
    assert document["specversion"] == "1.0"
    assert document["source"] == "agents/r1"
    assert document["datacontenttype"] == "application/json"
    # attribute names of CloudEvents are lower-case letters and digits
    assert all(name.isalnum() and name.islower() for name in document)


def test_appending_the_same_event_twice_keeps_one(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        first, second = ledger.append(event()), ledger.append(event())
        assert first == second
        assert len(ledger.events()) == 1


def test_events_that_are_received_together_stand_one_behind_the_other_each_once(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.append(event(1))
        assert ledger.receive_all([event(2), event(1), event(3), event(2)]) == [
            *(True, False),
            *(True, False),
        ]
        assert ledger.receive_all([]) == []
        ledger.append(event(4))
        seen = [(each.sequence, each.payload.about["n"]) for each in ledger.events()]
        assert ledger.check() == []
    with Ledger(tmp_path / "ledger.db", readonly=True) as anew:
        assert [(each.sequence, each.payload.about["n"]) for each in anew.events()] == seen
    assert seen == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_a_writer_waits_no_longer_than_its_patience_for_another(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger(path, patience=0) as ledger, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Transient, match="being written to"):
            ledger.receive_all([event(1), event(2)])
        other.rollback()
        assert ledger.receive_all([event(1), event(2)]) == [True, True]


@pytest.mark.parametrize("statement", ["UPDATE events SET data = '{}'", "DELETE FROM events"])
def test_what_was_written_cannot_be_changed(tmp_path, statement):
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.append(event())
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement)


def test_reading_never_creates_the_file(tmp_path):
    with Ledger(tmp_path / "state" / "ledger.db", readonly=True) as ledger:
        assert ledger.events() == []
        assert ledger.check() == []
    assert list(tmp_path.iterdir()) == []


def test_the_journal_is_rolled_back_and_every_write_is_synced(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        connection = ledger._reading.connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to be one" * 40, b"SQLite format 3\0junk"]
)
@pytest.mark.parametrize("readonly", [True, False])
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path, content, readonly):
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(LedgerDamaged) as caught:
        Ledger(path, readonly=readonly).events()
    assert caught.value.exit_code == 9
    assert caught.value.fix == "python -m agents doctor"
    assert path.read_bytes() == content


def test_a_ledger_of_a_newer_version_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES ('9999-from-the-future')")
    with pytest.raises(LedgerDamaged, match="newer version"):
        Ledger(path)


def test_an_older_ledger_is_migrated_and_keeps_its_events(tmp_path):
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY) STRICT")
        name, migrate = MIGRATIONS[0]
        migrate(connection)
        connection.execute("INSERT INTO migrations VALUES (?)", (name,))
        connection.execute(
            "INSERT INTO events (id, source, type, time, subject, run, data)"
            " VALUES ('a', 's', 't', '2026-01-01T00:00:00.000Z', '', '', '{}')"
        )
    with Ledger(path) as ledger:
        assert [each.id for each in ledger.events()] == ["a"]
        with pytest.raises(sqlite3.IntegrityError):
            ledger._reading.connection.execute("DELETE FROM events")


def test_threads_append_side_by_side(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        threads = [
            threading.Thread(
                target=lambda n=n: [ledger.append(event(10 * n + k)) for k in range(5)]
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ledger.events()) == 20


def test_processes_that_open_a_new_ledger_at_once_agree_on_its_schema(tmp_path, processes):
    program = (
        "import sys; from pathlib import Path; from agents.ledger.store import Ledger;"
        "from agents.ledger.events import new_event; from agents.ledger.payloads import Foreign;"
        "Ledger(Path(sys.argv[1])).append(new_event(Foreign(of_type='t'), id=sys.argv[2]))"
    )
    path = tmp_path / "ledger.db"
    started = [processes([sys.executable, "-c", program, str(path), str(n)]) for n in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    with Ledger(path, readonly=True) as ledger:
        assert sorted(each.id for each in ledger.events()) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("readonly", [True, False])
def test_a_ledger_that_was_emptied_is_refused_and_not_begun_anew(tmp_path, readonly):
    path = tmp_path / "ledger.db"
    path.touch()
    with pytest.raises(LedgerDamaged, match="no events table"):
        Ledger(path, readonly=readonly)


def test_whoever_reads_never_meets_a_half_made_ledger(tmp_path):
    path = tmp_path / "ledger.db"
    maker = threading.Thread(target=lambda: Ledger(path).close())
    maker.start()
    while maker.is_alive():
        with Ledger(path, readonly=True) as ledger:
            assert ledger.events() == []
    maker.join()
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]


def test_the_database_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    with pytest.raises(LedgerDamaged, match="no events table"):
        Ledger(path, readonly=True)
