"""Each line of the ledger is parsed once per process, whoever looks at it."""

import sys
import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from agents.cli.main import invoke
from agents.ledger.events import new_event
from agents.ledger.log import Log
from agents.ledger.payloads import Foreign
from agents.ledger.store import Ledger


class Parsed(Counter):
    """Sequence number → how often that line was parsed; and how often a ledger was opened."""

    opened = 0

    def look(self, frame, event, _argument):
        if event != "call" or not frame.f_code.co_filename.endswith("ledger/log.py"):
            return
        if frame.f_code.co_name == "_event":
            self[frame.f_locals["row"][0]] += 1


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
    return len(kit.events())


def parsed_by(kit, *words):
    with counting() as parsed:
        assert invoke(lambda: kit.catalogue, [*words, f"state={kit.state}"]) == 0
    return parsed


@pytest.mark.parametrize(
    "words", [["plan", "goal=served"], ["run", "goal=served"], ["show", "last"], ["runs"]]
)
def test_a_command_parses_each_line_once_and_its_own_never(kit, before, words):
    assert parsed_by(kit, *words) == dict.fromkeys(range(1, before + 1), 1)


@pytest.mark.parametrize("words", [["status"], ["explain", "served"], ["report", "last"]])
def test_no_command_parses_a_line_twice(kit, before, words):
    assert set(parsed_by(kit, *words).values()) <= {1}


def test_what_two_ledgers_share_is_read_by_the_first_alone(tmp_path):
    path, log = tmp_path / "ledger.db", Log()
    with Ledger(path) as ledger:
        for n in range(3):
            ledger.append(new_event(Foreign(of_type="t", data={"n": n})))
    with counting() as parsed, Ledger(path, readonly=True, log=log) as first:
        assert len(first.events()) == 3
        with Ledger(path, log=log) as second:
            second.append(new_event(Foreign(of_type="t")))
            assert [event.sequence for event in second.events()] == [1, 2, 3, 4]
        assert [event.sequence for event in first.events()] == [1, 2, 3, 4]
    assert parsed == {1: 1, 2: 1, 3: 1}


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


def test_another_file_in_the_place_of_the_one_that_was_read_is_read_anew(tmp_path):
    path, log = tmp_path / "ledger.db", Log()
    for type_ in ("old", "new"):
        with Ledger(path, log=log) as ledger:
            ledger.append(new_event(Foreign(of_type=type_)))
            assert [event.type for event in ledger.events()] == [type_]
        path.rename(tmp_path / f"{type_}.db")
    with Ledger(path, log=log) as ledger:
        assert ledger.events() == []
