"""Old payloads are put away beside the ledger: every line stays, and says what it said."""

import sqlite3
from contextlib import closing
from datetime import date

import pytest

from agents.cli.main import invoke
from agents.ledger.archive import archive
from agents.ledger.store import Ledger

COMMANDS = (
    ["plan", "goal=served"],
    ["status", "goal=served"],
    ["runs", "--json"],
    ["show", "last", "--events", "--json"],
)
TOMORROW = "2999-01-01"


@pytest.fixture
def call(kit, capsys):
    def called(*words):
        code = invoke(lambda: kit.catalogue, [*words, f"state={kit.state}"])
        out, err = capsys.readouterr()
        return code, out, err

    return called


@pytest.fixture
def old(kit):
    kit.run()
    (kit.tea.root / "tea").unlink()
    kit.run()
    return kit.state / "ledger.db"


def away(path):
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM events WHERE data = ''").fetchone()
    return count


def test_what_was_archived_is_read_as_before_and_the_chain_goes_on(kit, old, call):
    events, answers = kit.events(), [call(*words) for words in COMMANDS]
    code, said, _ = call("ledger", "archive", f"before={TOMORROW}")
    assert code == 0
    assert said.startswith(f"{len(events)} payloads are in {kit.state / 'ledger-archive.db'}")
    assert away(old) == len(events)
    assert kit.events() == events
    assert [call(*words) for words in COMMANDS] == answers
    kit.tea.root.joinpath("tea").unlink(missing_ok=True)
    assert call("run", "goal=served")[0] == 0
    assert "✓ ledger" in call("doctor")[1]
    assert call("ledger", "archive", f"before={TOMORROW}")[0] == 0
    assert away(old) == len(kit.events())
    with Ledger(old) as ledger:
        assert ledger.check() == []
        assert ledger.compared() == []


def test_what_is_young_and_what_goes_on_stays(kit, old):
    assert archive(old, date.fromisoformat(kit.events()[0].time[:10])).events == 0
    assert away(old) == 0


def test_without_the_archive_doctor_says_where_it_was_and_nothing_is_lost(kit, old, call):
    events = kit.events()
    assert call("ledger", "archive", f"before={TOMORROW}")[0] == 0
    file = kit.state / "ledger-archive.db"
    file.rename(kit.state / "elsewhere.db")
    code, said, _ = call("doctor")
    assert code == 9
    assert f"{file}, which is not there: put it back" in said
    assert call("show", "last")[0] == 9
    assert call("runs")[0] == 0
    (kit.state / "elsewhere.db").rename(file)
    assert kit.events() == events
    assert "✓ ledger" in call("doctor")[1]


def test_a_changed_payload_in_the_archive_is_found(kit, old, call):
    assert call("ledger", "archive", f"before={TOMORROW}")[0] == 0
    with closing(sqlite3.connect(kit.state / "ledger-archive.db")) as connection, connection:
        connection.execute("UPDATE payloads SET data = replace(data, 'tea', 'gin')")
    assert call("show", "last")[0] == 9
    assert call("doctor")[0] == 9
