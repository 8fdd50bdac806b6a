"""What fails in passing ends no watcher: it is said once, and what was wanted is done later."""

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from agents.errors import Interrupted, LedgerDamaged
from agents.ledger.events import new_event
from agents.ledger.payloads import Foreign
from agents.watching.watch import Pursued


class Listener:
    """Hears what a watcher says, and does something at each line that has these words in it."""

    def __init__(self, watch, deeds):
        self.lines, self.watch, self.deeds = [], watch, deeds
        watch.told = self.hear
        watch.wake.set()

    def hear(self, line):
        self.lines.append(line)
        for words, deed in self.deeds.items():
            if words in line:
                deed()
        self.watch.wake.set()


def types(ledger):
    return [event.type for event in ledger.events()]


def test_a_watcher_begins_when_the_ledger_can_be_written_to(clockwork):
    with closing(sqlite3.connect(clockwork.ledger.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        watch = clockwork.watch
        deeds = {"being written": other.rollback, "seen again": watch.stop.set}
        heard = Listener(watch, deeds)
        begun = []
        watch.run(lambda: begun.append(types(clockwork.ledger)))
    assert [line.partition(":")[0] for line in heard.lines] == ["the ledger"] * 2
    assert begun == [["watch.started"]]


def test_what_could_not_be_written_after_a_look_is_written_later_and_no_second_look_follows(
    clockwork,
):
    watch = clockwork.watch
    with closing(sqlite3.connect(clockwork.ledger.path)) as other:

        def pursue(goal):
            clockwork.looks.append(goal.name)
            other.execute("BEGIN IMMEDIATE")
            return Pursued(goal.name, 0, "done", 0, "run-1")

        watch.pursue = pursue
        clockwork.emit()
        clockwork.now += timedelta(seconds=10)
        deeds = {"being written": other.rollback, "served: done": watch.stop.set}
        heard = Listener(watch, deeds)
        watch.run()
    assert "being written" in heard.lines[1]
    assert heard.lines[2] == "served: done"
    assert clockwork.looks == ["served"]
    assert types(clockwork.ledger).count("trigger.handled") == 1


def test_a_full_disk_ends_no_watcher_and_what_it_did_not_note_is_noted_when_there_is_room(
    clockwork,
):
    watch, connection = clockwork.watch, clockwork.ledger._reading.connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def make_room():
        connection.execute(f"PRAGMA max_page_count = {pages * 1000}")

    heard = Listener(watch, {"no space left": make_room, "seen again": watch.stop.set})
    large = new_event(Foreign(of_type="large", data={"text": "x" * 100_000}))

    class Writer:
        source = "writer"

        def poll(self, ledger, _):
            ledger.append(large)

    watch.sources = (Writer(),)
    watch.run()
    assert [line.partition(":")[0] for line in heard.lines] == ["writer"] * 2
    assert types(clockwork.ledger) == ["watch.started", "large"]


def test_a_ledger_that_is_damaged_and_stays_so_ends_the_watcher(clockwork):
    watch = clockwork.watch

    def in_a_minute():
        clockwork.now += timedelta(minutes=1)
        watch.wake.set()
        return clockwork.now

    watch.clock = in_a_minute
    clockwork.ledger.close()
    heard = Listener(watch, {})
    with pytest.raises(LedgerDamaged):
        watch.run()
    assert len(heard.lines) == 1


def test_a_run_that_is_cancelled_ends_no_watcher_and_is_not_begun_again(clockwork):
    clockwork.endings = [Interrupted("cancelled")]
    clockwork.emit()
    assert clockwork.after(2) == 1
    assert clockwork.after(3600) == 0
    assert types(clockwork.ledger).count("trigger.handled") == 1
    clockwork.emit()
    assert clockwork.after(2) == 1


def test_a_source_that_cannot_look_is_left_alone_longer_each_time(clockwork):
    class Broken:
        source, looks = "broken", 0

        def poll(self, *_):
            self.looks += 1
            raise OSError("gone")

    broken, told = Broken(), []
    clockwork.watch.told = told.append
    clockwork.watch.sources = (broken,)
    for _ in range(600):
        clockwork.after(1)
    assert told == ["broken: OSError: gone"]
    assert 10 <= broken.looks <= 20
