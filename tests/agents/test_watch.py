"""Watching: events prompt a look; what is done depends on what is true."""

import dataclasses
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from git import Repo

from agents import api
from agents.cli.main import invoke
from agents.declare.schedule import every
from agents.declare.triggers import on
from agents.errors import Interrupted, Locked
from agents.ledger.events import new_event
from agents.ledger.payloads import RunFinished
from agents.ledger.store import Ledger
from agents.watching.clock import ScheduleSource
from agents.watching.git import GitSource
from agents.watching.watch import Pursued


@pytest.fixture
def call(watched, capsys):
    def call(*words, code=0):
        assert invoke(lambda: watched.catalogue, [*words, f"state={watched.state}"]) == code
        return capsys.readouterr()

    return call


def once(call, code=0):
    return json.loads(call("watch", "--once", "--json", code=code).out)["data"]


def test_an_event_leads_to_one_run_and_the_same_event_again_to_none(watched, call):
    assert once(call)["pursued"] == []
    call("emit", "type=guest.arrived", "id=1")
    assert [each["status"] for each in once(call)["pursued"]] == ["done"]
    call("emit", "type=guest.arrived", "id=1")
    assert once(call)["pursued"] == []
    call("emit", "type=guest.arrived", "id=2")
    assert [each["status"] for each in once(call)["pursued"]] == ["nothing to do"]
    assert watched.tea.calls.count("brew") == 1


def test_many_events_are_one_look(watched, call):
    for number in range(5):
        call("emit", "type=guest.arrived", f"id={number}")
    call("emit", "type=somebody.else")
    (pursued,) = once(call)["pursued"]
    assert (pursued["events"], pursued["status"]) == (5, "done")
    assert [event.type for event in watched.events()].count("run.started") == 1


def test_a_look_that_fails_is_handled_and_says_how_it_ended(watched, call):
    del watched.catalogue.actions["fill"]
    call("emit", "type=guest.arrived")
    (pursued,) = once(call, code=4)["pursued"]
    assert (pursued["status"], pursued["exit_code"]) == ("unreachable", 4)
    assert once(call)["pursued"] == []


def test_watch_says_what_it_waits_for_and_wrong_words_are_refused(watched, call):
    text = call("watch", "--once").out
    assert "served               guest.arrived" in text
    assert "webhook.received where name=tea" in text
    assert "needs --once" in call("watch", "--json", code=2).out
    assert "did you mean 'sugar'" in call("watch", "--once", "goal=served", "suger=1", code=2).err
    assert "no type given" in call("emit", code=2).err
    assert "engine alone" in call("emit", "type=run.finished", code=2).err
    assert "not a JSON object" in call("emit", "type=a", "data=[1]", code=2).err
    assert "emit takes type" in call("emit", "type=a", "di=1", code=2).err
    assert "is not a port" in call("serve", "port=http", code=2).err
    assert "host= is empty" in call("serve", "host=", code=2).err
    assert "given twice" in call("watch", "--once", "port=1", "port=2", code=2).err


@pytest.mark.parametrize(
    "words",
    [
        ("type=approval.used",),
        ("type=two words",),
        ("type=a", "id=two words"),
        ("type=a", "id=\udcff"),
        ("type=a", 'data={"a": NaN}'),
        ("type=a", "data=" + "[" * 100_000),
    ],
)
def test_what_a_ledger_cannot_hold_is_refused(watched, call, words):
    call("emit", *words, code=2)
    assert not (watched.state / "ledger.db").exists()


def test_a_goal_without_triggers_cannot_be_watched(kit, capsys):
    assert invoke(lambda: kit.catalogue, ["watch", "--once"]) == 2
    assert invoke(lambda: kit.catalogue, ["watch", "--once", "goal=served"]) == 2
    assert "no triggers" in capsys.readouterr().err


def test_a_repository_that_went_away_is_said_once_and_keeps_no_other_source_waiting(
    clockwork, tmp_path
):
    folder, told = tmp_path / "repo", []
    with Repo.init(folder, initial_branch="main") as repo:
        repo.index.commit("first")
    clockwork.watch.told = told.append
    clockwork.watch.sources = (GitSource(folder), ScheduleSource(every("1h")))
    clockwork.after(0)
    (folder / ".git").rename(folder / "gone")
    for _ in range(3):
        clockwork.after(3600)
    (folder / "gone").rename(folder / ".git")
    clockwork.after(1)
    assert len(clockwork.ledger.events(types=("schedule.due",))) == 3
    assert len(told) == 2
    assert str(folder) in told[0]
    assert told[1].endswith("can be seen again")
    clockwork.watch.sources[0].close()


def test_events_are_waited_out_until_they_are_quiet(clockwork):
    clockwork.emit()
    assert clockwork.after(1) == 0
    clockwork.emit()
    assert clockwork.after(1.5) == 0
    assert clockwork.after(0.5) == 1
    assert clockwork.after(60) == 0


def test_a_stream_of_events_does_not_put_a_look_off_for_ever(clockwork):
    looks = 0
    for _ in range(40):
        clockwork.emit()
        looks += clockwork.after(1)
    assert 1 <= looks <= 2


def test_what_another_run_holds_is_tried_again_and_stays_pending_over_a_restart(clockwork):
    clockwork.endings = [Locked("busy")]
    clockwork.emit()
    assert clockwork.after(2) == 1
    assert clockwork.after(1) == 0
    clockwork.start()
    assert clockwork.after(0) == 1
    assert clockwork.looks == ["served", "served"]
    assert clockwork.after(600) == 0


def test_a_passing_failure_is_tried_again_later_and_not_for_ever(clockwork):
    clockwork.endings = [Pursued("served", 0, "transient", 3)] * 20
    clockwork.emit()
    waited = [clockwork.after(seconds) for seconds in (2, 5, 26, 60, 120, 240, 480, 9999, 9999)]
    assert waited == [1, 0, 1, 1, 1, 1, 1, 0, 0]
    types = [event.type for event in clockwork.ledger.events()]
    assert types.count("trigger.deferred") == 5
    assert types.count("trigger.handled") == 1


def test_a_clock_that_is_set_back_delays_nothing(clockwork):
    clockwork.emit()
    assert clockwork.after(-3600) == 1
    clockwork.endings = [Pursued("served", 0, "transient", 3)]
    clockwork.emit()
    assert clockwork.after(2) == 1
    assert clockwork.after(-86_400) == 1
    assert clockwork.after(9999) == 0


def test_what_another_watcher_handled_is_not_looked_at_again(clockwork):
    clockwork.emit()
    clockwork.watch.tick()
    other = type(clockwork).__new__(type(clockwork))
    other.__dict__.update(clockwork.__dict__)
    other.start()
    other.now += timedelta(seconds=5)
    assert len(other.watch.tick()) == 1
    assert clockwork.after(5) == 0


def test_the_end_of_a_run_prompts_another_goal_but_never_its_own(clockwork):
    served = clockwork.goals[0]
    finished = on("run.finished", where={"status": "done"})
    clockwork.goals = [
        dataclasses.replace(served, triggers=(finished,)),
        dataclasses.replace(served, name="washed", triggers=(finished,)),
    ]
    clockwork.start()
    clockwork.ledger.append(new_event(RunFinished(status="done"), run="r1", subject="served"))
    clockwork.after(0)
    clockwork.after(3600 * 24 * 365)
    assert clockwork.looks == ["washed"]


PROGRAM = """
import sys
from pathlib import Path
from pydantic import BaseModel, Field
from agents.declare.actions import Goal, action, sensor
from agents.declare.catalogue import Catalogue
from agents.cli.main import invoke
from agents.declare.facts import Reading, facts
from agents.declare.outcome import Outcome
from agents.declare.triggers import on

class World(BaseModel):
    trained: bool = Field(description="the last commit is trained")

F = facts(World)
head = lambda: Path(".git/refs/heads/main").read_text().strip()
done = Path(".git/trained")

@sensor(F.trained)
def trained(context):
    seen = done.read_text().split() if done.exists() else []
    return Reading(head() in seen, f"{len(seen)} trained")

@action(effect=F.trained)
def train(context):
    "Train the last commit."
    with done.open("a") as file:
        file.write(f"{head()}\\n")
    return Outcome(summary="trained")

goal = Goal("fresh", "the model fits the source", lambda _: F.trained,
            triggers=(on("git.commit", paths="training/**", debounce=0.2),))
catalogue = Catalogue(F, (trained,), (train,), (goal,))
sys.exit(invoke(lambda: catalogue, sys.argv[1:]))
"""


def test_a_commit_that_touches_the_source_leads_to_exactly_one_run(tmp_path, processes):
    with Repo.init(tmp_path, initial_branch="main") as repo:
        files = ("README.md", "training/model.py")
        for name in files:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_text("first\n", encoding="utf-8")
        repo.index.add(files)
        repo.index.commit("first")
        (tmp_path / ".git" / "trained").write_text(f"{repo.head.commit.hexsha}\n", encoding="utf-8")

        def change(name):
            with (tmp_path / name).open("a", encoding="utf-8") as file:
                file.write(f"{os.urandom(4).hex()}\n")
            repo.index.add(name)
            return repo.index.commit(f"change {name}").hexsha

        watcher = watching(processes, tmp_path)
        wait_for(watcher, "watching")
        change("README.md")
        first = change("training/model.py")
        wait_for(watcher, "fresh: done")
        watcher.kill()
        watcher.wait()
        second = change("training/model.py")
        watcher = watching(processes, tmp_path)
        wait_for(watcher, "fresh: done")
        watcher.terminate()
        assert watcher.wait() == 0
    trained = (tmp_path / ".git" / "trained").read_text(encoding="utf-8").splitlines()
    assert trained[1:] == [first, second]
    with Ledger(tmp_path / "state" / "ledger.db", readonly=True) as ledger:
        assert len(ledger.events(types=("run.started",))) == 2
        assert len(ledger.events(types=("git.commit",))) == 3


def watching(processes, root):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return processes(
        [sys.executable, "-c", PROGRAM, "watch", "state=state"],
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process, text):
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"the watcher ended without saying {text!r}")


def test_a_run_of_a_watcher_that_is_cancelled_ends_alone_and_is_not_begun_again(watched, call):
    def cancelled(context):
        api.cancel(watched.state, context.run)
        assert context.cancelled.wait(60)
        raise Interrupted("ended")

    watched.tea.fail("brew", cancelled)
    call("emit", "type=guest.arrived")
    looks = once(call, code=130)["pursued"]
    assert [(each["status"], each["exit_code"]) for each in looks] == [("cancelled", 130)]
    assert once(call)["pursued"] == []
    call("emit", "type=guest.arrived")
    assert [each["status"] for each in once(call)["pursued"]] == ["done"]


def test_a_look_that_needs_a_person_is_made_again_when_something_happens_after_they_agreed(
    watched, call
):
    brew = watched.catalogue.actions["brew"]
    watched.catalogue.actions["brew"] = dataclasses.replace(brew, approval=True)
    call("emit", "type=guest.arrived")
    assert [each["status"] for each in once(call, code=5)["pursued"]] == ["not_approved"]
    call("approve", "last")
    call("emit", "type=guest.arrived")
    # what they agreed to was for other values
    call("watch", "--once", "goal=served", "sugar=3", code=5)
    call("emit", "type=guest.arrived")
    assert [each["status"] for each in once(call)["pursued"]] == ["done"]
    assert watched.tea.calls.count("brew") == 1
