"""Killed at any microsecond of a write: the next command works, whichever it is."""

import os
import random
import signal
import threading
import time

import pytest

RUN = ("run", "goal=served", "max_cost=9")
COMMANDS = (
    ("plan", "goal=served", "max_cost=9"),
    ("status", "goal=served"),
    ("runs",),
    ("show", "last"),
    ("adr", "verify"),
    ("doctor",),
    RUN,
)
VICTIMS = {RUN: 0.25, ("append",): 0.08}
"""Who is killed, and within how many seconds."""

IN_A_ROW = 4
NEVER = "2999-01-01"
ONCE_EACH = {"knead": 1, "heat": 1, "bake": 1}


def hot_journal(bakery):
    """Whether a killed process left pages that are written in part, to be undone by the next."""
    journal = bakery.state / "ledger.db-journal"
    return journal.exists() and journal.read_bytes()[:1] not in (b"", b"\0")


def killed(bakery, choose):
    """Kill somebody who writes, at a moment that nobody chose."""
    words = choose.choice(list(VICTIMS))
    pid = bakery.start(*words)
    threading.Event().wait(choose.uniform(0.0, VICTIMS[words]))
    os.kill(pid, signal.SIGKILL)
    bakery.wait(pid)


def sweep(new_bakery, kills, seed):
    """Kill so often, and give one command after each; how often a journal was left to undo."""
    choose, hot = random.Random(seed), 0
    for number in range(kills):
        if number % IN_A_ROW == 0:
            bakery = new_bakery()
            assert bakery.run("emit", "type=order.placed", "id=1") == 0
            assert bakery.run(*RUN, kill="*:9") == -signal.SIGKILL, bakery.output()
        before = bakery.events()
        killed(bakery, choose)
        hot += hot_journal(bakery)
        words = choose.choice(COMMANDS)
        place = f"kill {number} of seed {seed}, then {' '.join(words)}"
        assert bakery.run(*words) == 0, f"{place}\n{bakery.output()}"
        assert not hot_journal(bakery), place
        if number % IN_A_ROW == IN_A_ROW - 1:
            assert bakery.run(*RUN) == 0, f"{place}, then run\n{bakery.output()}"
            assert bakery.effects() == ONCE_EACH, place
            assert bakery.delivered(), place
        assert bakery.problems() == [], place
        assert bakery.events()[: len(before)] == before, place
    return hot


def test_after_a_kill_at_any_moment_any_command_works_and_the_run_continues(new_bakery):
    sweep(new_bakery, 8, seed=20_260_301)


@pytest.mark.slow
def test_after_each_of_600_kills_any_command_works_and_the_run_continues(new_bakery, capsys):
    began = time.monotonic()
    hot = sweep(new_bakery, 600, seed=20_260_302)
    with capsys.disabled():
        print(f"\n600 kills, {hot} hot journals, 0 failures, {time.monotonic() - began:.0f} s")
    assert hot >= 20


def test_killed_between_the_two_files_it_goes_on(bakery):
    assert bakery.run(*RUN) == 0, bakery.output()
    events = bakery.events()
    words = ("ledger", "archive", f"before={NEVER}")
    for number in range(1, 99):
        (bakery.root / "trace").unlink(missing_ok=True)
        if not bakery.killed(number, *words):
            break
        assert bakery.events() == events
        assert bakery.problems() == []
    assert number >= 3  # between the two files, and before the ledger is written
    assert bakery.run(*RUN) == 0, bakery.output()
    assert bakery.problems() == []
    assert bakery.events() == events
