"""Killed anywhere: nothing is corrupt, nothing is lost, nothing is done twice."""

import random
import re
import time
from pathlib import Path

import pytest

from agents.records import outdated

ROOT = Path(__file__).parents[2]
KILLED = -9
RUN = ("run", "goal=served", "max_cost=9")
WATCH = ("watch", "--once", "goal=served", "max_cost=9")
EMIT = ("emit", "type=order.placed", "id=1")
ONCE_EACH = {"knead": 1, "heat": 1, "bake": 1}
FAST = 14
"""The default suite kills at every fourteenth place; `make test-faults` at every one."""


def ordered(bakery):
    assert bakery.run(*EMIT) == 0


def nothing(_bakery):
    """No preparation."""


COMMANDS = {"run": (RUN, nothing), "watch": (WATCH, ordered), "emit": (EMIT, nothing)}


def sweep(new_bakery, name, every):
    """Kill at every ``every``-th place of a command, then repeat it; returns the places.

    How many there are may differ from run to run: each run keeps its own record, and one that
    ended before its turn must have ended as well as the one that was never to be killed.
    """
    words, prepare = COMMANDS[name]
    whole = new_bakery()
    prepare(whole)
    places, ended = whole.points(*words), []
    for number in range(1, len(places) + 1, every):
        bakery = new_bakery()
        prepare(bakery)
        place = f"{name} killed at {number} of {len(places)} ({places[number - 1]})"
        if not bakery.killed(number, *words):
            ended.append(place)
        before = bakery.events()
        assert bakery.run(*words) == 0, f"{place}\n{bakery.output()}"
        assert bakery.problems() == [], place
        assert bakery.events()[: len(before)] == before, place
        check(bakery, name, place)
    assert len(ended) <= len(places) // 10, ended
    return places


def check(bakery, name, place):
    """The end is that of a command that was never killed."""
    if name == "emit":
        assert [event.id for event in bakery.events()] == ["1"], place
        return
    assert bakery.delivered(), place
    assert bakery.effects() == ONCE_EACH, place
    adrs = sorted(path.name for path in (bakery.root / "plans").glob("ADR-*.md"))
    assert adrs == ["ADR-001-bake-bread.md"], place
    assert outdated(bakery.events(), bakery.root) == [], place
    started = [event.run for event in bakery.events("run.started")]
    assert sorted(started) == sorted(event.run for event in bakery.events("run.finished")), place
    assert len(started) <= 2, place
    handled = bakery.events("trigger.handled")
    assert len(handled) == (name == "watch"), place


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_can_be_repeated_as_if_nothing_had_been(new_bakery, name):
    places = sweep(new_bakery, name, 1 if name == "emit" else FAST)
    assert len(places) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_can_be_killed_at_every_place(new_bakery, name, capsys):
    began = time.monotonic()
    places = sweep(new_bakery, name, 1)
    seconds = time.monotonic() - began
    with capsys.disabled():
        ends = "0 corrupt, 0 lost, 0 twice"
        print(f"\n{name}: killed at {len(places)} places in {seconds:.0f} s: {ends}")


@pytest.mark.slow
def test_a_command_that_is_killed_again_and_again_still_comes_to_its_end(new_bakery):
    choose = random.Random(20_260_228)
    for _ in range(25):
        bakery = new_bakery()
        ordered(bakery)
        kills = [choose.randrange(1, 60) for _ in range(choose.randrange(2, 6))]
        for number in kills:
            assert bakery.run(*WATCH, kill=f"*:{number}") in (0, KILLED), kills
        assert bakery.run("run", "goal=served", "max_cost=99") == 0, bakery.output()
        assert bakery.problems() == []
        assert bakery.effects() == ONCE_EACH, kills
        assert bakery.delivered()


def test_every_kind_of_place_is_passed_by_the_sweep(new_bakery):
    """Each write to the ledger, each rename and each launch is a place to die at."""
    bakery = new_bakery()
    ordered(bakery)
    places = bakery.points(*WATCH)
    assert {"launch", "rename", "step.before", "step.after"} <= set(places)
    assert places.count("rename") >= 4  # the delivery, and each record
    for event in bakery.events():
        if event.type != "order.placed":
            for moment in ("before", "uncommitted", "after"):
                assert f"ledger.{moment}:{event.type}" in places
    source = "".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "agents").rglob("*.py"))
    )
    named = set(re.findall(r'failpoint\(f?"([a-z.]+)', source))
    in_ledger = ("migrating", "migration", "before", "uncommitted", "after", "archive")
    assert named == {f"ledger.{name}" for name in in_ledger} | {"step.before", "step.after"}


def test_a_place_that_is_not_armed_costs_next_to_nothing():
    import timeit

    from agents.ledger.failpoints import failpoint

    calls = 100_000
    # the time of this process: what others do meanwhile does not count
    taken = timeit.repeat(lambda: failpoint("x"), timer=time.process_time, number=calls, repeat=5)
    assert min(taken) / calls < 2e-6


def test_of_twenty_runners_at_once_one_runs_and_nineteen_are_told_so(bakery):
    bakery.root.mkdir()
    gate = bakery.root / "gate"
    gate.touch()
    runners = [bakery.start(*RUN) for _ in range(20)]
    # whoever holds the lock waits at the gate until the others have been told
    waited = 0
    while bakery.output().count("another run holds") < 19:
        assert waited < 30_000, bakery.output()
        waited += 1
        pause(0.01)
    gate.unlink()
    codes = sorted(bakery.wait(pid) for pid in runners)
    assert codes == [0] + [7] * 19
    assert bakery.effects() == ONCE_EACH
    assert len(bakery.events("run.started")) == 1


def pause(seconds):
    import threading

    threading.Event().wait(seconds)
