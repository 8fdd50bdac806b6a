"""Whoever is killed or stopped: one training, which goes on, and comes to the same numbers."""

import fcntl
import json
import os
import signal

GOAL = "goal=counter_trained"


def launches(desk):
    notes = [event.data["about"].get("launch") for event in desk.events("step.noted")]
    return [note for note in notes if note in ("launched", "attached")]


def attempts(desk):
    return json.loads((desk.training() / "attempts.json").read_text())["count"]


def undisturbed():
    """What the script counts when nothing happens to it."""
    state = 1
    for step in range(1, 31):
        state = (state * 31 + step) % 9973
    return state


def until_it_says(stream, words):
    for line in stream:
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}")


def test_whatever_ends_the_run_leaves_the_training_and_the_same_command_attaches_to_it(desk):
    pause = desk.pause_at(12)
    run = desk.started_process("run", GOAL)
    with pause:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            # as a terminal does: to everybody in the group
            os.killpg(run.pid, number)
            _, err = run.communicate()
            killed = number == signal.SIGKILL
            assert run.returncode == (-number if killed else 130), err
            assert killed or "goes on without us" in err
            run = desk.started_process("run", GOAL)
            until_it_says(run.stderr, "re-attached to")
    _, err = run.communicate()
    assert run.returncode == 0, err
    assert (launches(desk), attempts(desk)) == (["launched", *["attached"] * 4], 1)
    assert desk.verdict()["numbers"]["state"] == undisturbed()


def test_04_a_training_that_ended_while_nobody_looked_is_taken_as_it_is(desk):
    pause = desk.pause_at(12)
    first = desk.started_process("run", GOAL)
    with pause:
        first.kill()
        first.communicate()
    lock = (desk.training() / "lock").open("rb")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # free when the runner ended
    assert desk.run().data["status"] == "done"
    assert (launches(desk), attempts(desk)) == (["launched"], 1)
    assert list((desk.folder / "plans").glob("ADR-*.md"))


def test_a_runner_that_is_killed_is_followed_by_another_to_the_same_numbers(desk):
    pause = desk.pause_at(12)
    run = desk.started_process("run", GOAL)
    with pause:
        owner = json.loads((desk.training() / "owner.json").read_text())
        os.kill(owner["pid"], signal.SIGKILL)
        _, err = run.communicate()
    assert run.returncode == 0, err
    assert (launches(desk), attempts(desk)) == (["launched", "launched"], 2)
    assert desk.verdict()["numbers"]["state"] == undisturbed()


def test_a_source_that_is_edited_meanwhile_is_another_training_and_leaves_this_one_alone(desk):
    pause = desk.pause_at(12)
    first = desk.started_process("run", GOAL)
    with pause:
        first.send_signal(signal.SIGINT)
        first.communicate()
        key = desk.training().name
        staged = (desk.training() / "source" / "train.py").read_text()
        desk.change("train.py", "* 31", "* 37")
        plan = desk.goap("plan", GOAL, "--json").data
        assert key not in json.dumps(plan["facts"])
    desk.change("train.py", "* 37", "* 31")
    assert desk.run().data["status"] == "done"
    assert desk.training().name == key
    assert (desk.training() / "source" / "train.py").read_text() == staged
    assert desk.verdict()["numbers"]["state"] == undisturbed()


def test_02_a_slice_ends_by_itself_and_the_same_run_goes_on_with_the_next(desk):
    desk.write(
        "trouble.py",
        """
import time

def trouble(step, loss, lr):
    while not checkpoint and step == 12 and time.time() < run.deadline:
        pass
    return loss
""",
    )
    assert desk.run("slice_seconds=1").data["status"] == "done"
    assert (launches(desk), attempts(desk)) == (["launched", "launched"], 2)
    assert desk.verdict()["numbers"]["state"] == undisturbed()
    assert desk.run().data["status"] == "nothing to do"  # how it was done is no other request
