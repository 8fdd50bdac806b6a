"""Runs of different goals go on side by side, unless their steps touch the same."""

import dataclasses
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from agents import api
from agents.declare.actions import Goal
from agents.errors import Locked
from agents.ledger.payloads import RunFinished, RunStarted
from agents.ledger.store import Ledger
from agents.run.identity import close_lost_runs
from agents.run.lock import holders, running
from agents.run.touching import Taken, Touching

SECONDS = 60


@pytest.fixture
def hands(tmp_path):
    """Two runs in one state directory."""
    return [Touching(tmp_path, {"run": run, "goal": f"goal_{run}"}) for run in ("r1", "r2")]


def test_steps_of_two_runs_wait_only_for_what_both_touch(hands):
    ours, theirs = hands
    assert ours.take("train", ("oven", "cat")) is Taken.YES
    assert theirs.take("write", ("paper",)) is Taken.YES
    assert theirs.take("bake", ("dough", "oven")) is Taken.THEIRS
    assert "the run r1 (pid " in theirs.in_the_way(("dough", "oven"))
    assert theirs.take("look", ()) is Taken.YES
    # nothing is kept of what could not be had whole
    assert ours.take("knead", ("dough",)) is Taken.YES
    ours.give("train")
    ours.give("never taken")
    assert theirs.take("bake", ("dough", "oven")) is Taken.THEIRS
    ours.give("knead")
    assert theirs.take("bake", ("dough", "oven")) is Taken.YES


def test_what_declares_nothing_runs_beside_no_other_run(hands):
    ours, theirs = hands
    assert ours.take("train", ("oven",)) is Taken.YES
    assert theirs.take("anything", None) is Taken.THEIRS
    assert "the run r1" in theirs.in_the_way(None)
    ours.give("train")
    assert theirs.take("anything", None) is Taken.YES
    assert ours.take("train", ("oven",)) is Taken.THEIRS
    assert ours.take("look", ()) is Taken.YES


def test_steps_of_one_run_are_in_the_way_of_each_other_only_where_one_may_touch_all(hands):
    ours, theirs = hands
    assert ours.take("one", ("oven",)) is Taken.YES
    assert ours.take("two", ("oven",)) is Taken.YES
    ours.give("one")
    assert theirs.take("bake", ("oven",)) is Taken.THEIRS
    assert ours.take("anything", None) is Taken.OURS
    ours.give("two")
    assert ours.take("anything", None) is Taken.YES
    assert ours.take("more", None) is Taken.YES
    assert ours.take("three", ("oven",)) is Taken.YES
    ours.give("anything")
    ours.give("more")
    ours.give("three")
    assert theirs.take("bake", None) is Taken.YES


def test_a_killed_run_holds_nothing(tmp_path, processes):
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from agents.run.lock import running
        from agents.run.touching import Touching
        state, owner = Path(sys.argv[1]), {"run": "r1", "goal": "served"}
        with running(state, "a" * 16, owner):
            touching = Touching(state, owner)
            print(touching.take("all", None), touching.take("train", ("oven",)), flush=True)
            sys.stdin.read()
        """
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    other = processes([sys.executable, "-c", program, str(tmp_path)], **pipes)
    assert other.stdout.readline() == "Taken.YES Taken.YES\n"
    ours = Touching(tmp_path, {"run": "r2"})
    assert ours.take("train", ("oven",)) is Taken.THEIRS
    assert [(owner.pid, owner.run) for owner in holders(tmp_path)] == [(other.pid, "r1")]
    with pytest.raises(Locked, match="run r1, served"), running(tmp_path, "a" * 16, {}):
        pytest.fail("two run for the same")
    with running(tmp_path, "b" * 16, {"run": "r2"}):
        assert sorted(owner.run for owner in holders(tmp_path)) == ["r1", "r2"]
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert holders(tmp_path) == []
    assert ours.take("train", ("oven",)) is Taken.YES


def test_a_run_that_goes_on_is_not_taken_for_one_that_was_killed(kit):
    with Ledger(kit.state / "ledger.db") as ledger:
        for run in ("killed", "alive"):
            kit.pursuit(ledger, run_id=run)._record("served", RunStarted(goal="served"))
        with running(kit.state, "a" * 16, {"run": "alive"}):
            going_on = lambda: [owner.run for owner in holders(kit.state)]  # noqa: E731
            assert close_lost_runs(ledger, going_on=going_on) == ["killed"]
            assert close_lost_runs(ledger, going_on=going_on) == []
        assert close_lost_runs(ledger, going_on=going_on) == ["alive"]
        ends = ledger.events(types=(RunFinished.kind,))
        assert [event.run for event in ends] == ["killed", "alive"]


class Kettle:
    """Boiling that takes as long as a test wants."""

    def __init__(self, kit):
        self.kit, self.begun, self.boiled = kit, threading.Event(), threading.Event()
        kit.tea.fail("boil", self.boil)

    def boil(self, _context):
        self.begun.set()
        assert self.boiled.wait(SECONDS)
        self.kit.tea.make("hot")


@pytest.fixture
def beside(kit):
    """A kitchen with more goals, in which every action says what it touches."""
    touched = {"fill": "tap", "shop": "shop", "boil": "stove", "make_fire": "stove", "brew": "cup"}
    for name, what in touched.items():
        declared = kit.catalogue.actions[name]
        kit.catalogue.actions[name] = dataclasses.replace(
            declared, touches=lambda _, what=what: (what,)
        )
    kind = kit.catalogue.goals["served"].parameters
    for goal, wants in {
        "stocked": kit.catalogue.facts.leaves,
        "warm": kit.catalogue.facts.hot,
    }.items():
        kit.catalogue.goals[goal] = Goal(goal, goal, lambda _, wants=wants: wants, kind)
    return kit


def asked(kit, goal):
    return dataclasses.replace(kit.question(), goal=kit.catalogue.goal(goal))


def pursue(kit, goal):
    return api.run(asked(kit, goal), threading.Event())


@pytest.fixture
def aside():
    """Runs something in a thread, and gives what came of it."""
    threads = []

    def aside(function, *arguments):
        results = []

        def work():
            try:
                results.append(function(*arguments))
            except Exception as error:  # noqa: BLE001 - the test asks for it
                results.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        threads.append(thread)

        def result():
            thread.join(SECONDS)
            return results[0]

        return result

    yield aside
    for thread in threads:
        thread.join(SECONDS)


def test_a_long_step_of_one_goal_keeps_no_other_goal_waiting(beside, aside):
    kettle = Kettle(beside)
    long = aside(pursue, beside, "warm")
    try:
        assert kettle.begun.wait(SECONDS)
        assert pursue(beside, "stocked").status == "done"
        with pytest.raises(Locked, match="another run holds"):
            pursue(beside, "warm")
    finally:
        kettle.boiled.set()
    assert long().status == "done"


def test_two_engines_that_want_the_same_step_do_it_once(beside, aside):
    kettle = Kettle(beside)
    first = aside(pursue, beside, "warm")
    try:
        assert kettle.begun.wait(SECONDS)
        second = aside(pursue, beside, "served")
        with Ledger(beside.state / "ledger.db", readonly=True) as ledger:
            while not any("waits for the run" in str(each.data) for each in ledger.events()):
                assert not kettle.boiled.wait(0.01)
    finally:
        kettle.boiled.set()
    assert (first().status, second().status) == ("done", "done")
    assert beside.tea.calls.count("boil") == 1
    assert second().steps[-1] == "brew"
    assert "boil" not in second().steps


def test_a_run_that_can_do_nothing_else_waits_only_so_long(beside, aside):
    kettle = Kettle(beside)
    first = aside(pursue, beside, "warm")
    try:
        assert kettle.begun.wait(SECONDS)
        with Ledger(beside.state / "ledger.db") as ledger:
            patient = beside.pursuit(ledger, patience=0.0)
            with pytest.raises(Locked, match=r"boil touches what .*, warm\) holds") as caught:
                patient.run()
            assert caught.value.exit_code == 7
            assert "shop" in beside.tea.calls
            ended = ledger.events(run=patient.run_id)[-1].payload
            assert (ended.status, ended.exit_code) == ("locked", 7)
    finally:
        kettle.boiled.set()
    assert first().status == "done"
    assert pursue(beside, "served").status == "done"
    assert beside.tea.calls.count("boil") == 1
