"""Killed, stopped and started twice: the goal is reached, and nothing is trained twice."""

import dataclasses
import json
import os
import shutil
import signal
import time

import pytest


def attempts(desk):
    path = desk.volume / "trainings" / desk.key() / "attempts.json"
    return json.loads(path.read_text(encoding="utf-8"))["count"]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_an_engine_killed_while_training_runs_is_continued_by_the_next_run_without_a_second_one(
    desk,
):
    engine = desk.start("run", *desk.trained)
    pid = desk.frozen()
    desk.until(lambda: desk.launches() == ["launched"], "the launch is in the ledger")
    engine.kill()
    engine.communicate()
    assert is_alive(pid)

    second = desk.start("run", *desk.trained)
    desk.until(lambda: desk.launches() == ["launched", "attached"], "the next run attaches")
    os.kill(pid, signal.SIGCONT)
    ended = desk.end(second)
    assert ended.code == 0, ended.err
    assert "was killed; continuing" in ended.err
    assert f"re-attached to training {desk.key()} (pid {pid})" in ended.err
    assert desk.launches() == ["launched", "attached"]
    assert attempts(desk) == 1
    assert [run.data["status"] for run in desk.events("run.finished")] == ["lost", "done"]


@pytest.mark.slow
def test_a_training_killed_in_mid_run_is_resumed_at_once_and_ends_with_the_same_weights(
    desk, finished
):
    engine = desk.start("run", *desk.trained, **desk.fates("stop"))
    os.kill(desk.standing(), signal.SIGKILL)
    ended = desk.end(engine)
    assert ended.code == 0, ended.err
    assert "interrupted" in ended.err
    assert desk.launches() == ["launched", "launched"]
    assert attempts(desk) == 2
    log = desk.volume / "trainings" / desk.key() / "training.log"
    assert "Resuming at step" in log.read_text(encoding="utf-8")
    assert desk.weights() == finished[0].weights()


@pytest.mark.slow
def test_engine_and_training_killed_together_are_continued_from_the_checkpoint(desk, finished):
    engine = desk.start("run", *desk.trained, **desk.fates("stop"))
    os.kill(desk.standing(), signal.SIGKILL)
    engine.kill()
    engine.communicate()
    assert desk.run("run", *desk.trained).code == 0
    assert desk.weights() == finished[0].weights()


@pytest.mark.slow
def test_signals_end_a_run_at_once_with_130_and_the_training_goes_on(desk):
    pid = 0
    for signals, number in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), start=1):
        engine = desk.start("run", *desk.trained)
        pid = pid or desk.frozen()
        desk.until(lambda: len(desk.launches()) == signals, "the training is followed")  # noqa: B023
        # as a terminal does: to everybody in the group
        os.killpg(engine.pid, number)
        # the training stands still: who waited for it would wait for ever
        ended = desk.end(engine)
        assert ended.code == 130
        assert "stopped on request" in ended.err
        assert "the same command" in ended.err
        assert is_alive(pid)
    os.kill(pid, signal.SIGCONT)
    assert desk.run("run", *desk.trained).code == 0
    assert desk.launches().count("launched") == 1
    assert attempts(desk) == 1
    assert [run.data["exit_code"] for run in desk.events("run.finished")] == [130, 130, 130, 0]


def test_a_second_runner_is_told_who_holds_the_state(desk):
    engine = desk.start("run", *desk.trained)
    desk.frozen()
    desk.until(desk.launches, "the training is followed")
    ended = desk.run("run", *desk.trained)
    assert ended.code == 7
    assert f"pid {engine.pid}" in ended.err
    assert "state=DIR" in ended.err
    assert desk.launches() == ["launched"]
    assert len(desk.events("run.started")) == 1


def test_ctrl_c_while_the_image_is_proven_ends_the_run_and_leaves_no_process(desk):
    for proof in desk.volume.glob("images/*.json"):
        proof.unlink()
    engine = desk.start("run", *desk.trained)
    started = ("step.noted",)
    desk.until(lambda: (desk.state / "ledger.db").exists() and desk.events(*started), "the proof")
    os.killpg(engine.pid, signal.SIGINT)
    ended = desk.end(engine)
    assert ended.code == 130
    assert ended.err.count("error:") == 1
    assert "does not work" not in ended.err
    assert not list(desk.volume.glob("images/*.json"))
    assert not list(desk.volume.glob("trainings/*"))
    # killing the group finds nobody any more
    with pytest.raises(ProcessLookupError):
        os.killpg(engine.pid, 0)


EVERY = 7
"""Each of them takes two command lines and a training: every seventh place is what a night has."""


@pytest.mark.slow
def test_the_main_job_killed_at_any_place_trains_once_and_ends_the_same(desk, finished, capsys):
    began = time.monotonic()
    trace = desk.root / "trace"
    ended = desk.run("run", *desk.trained, GOAP_FAILPOINT=f"@{trace}")
    assert ended.code == 0, ended.err
    places = trace.read_text(encoding="utf-8").split()
    launch = places.index("launch", places.index("ledger.after:step.noted")) + 1
    for number in (killed := sorted({launch, *range(1, len(places) + 1, EVERY)})):
        other = dataclasses.replace(desk, root=desk.root / str(number))
        for part in ("images", "datasets"):
            shutil.copytree(finished[0].volume / part, other.volume / part)
        try:
            place = f"{number} of {len(places)} ({places[number - 1]})"
            trace = other.root / "trace"
            dead = other.run("run", *other.trained, GOAP_FAILPOINT=f"*:{number}@{trace}")
            # what a run notes of a training depends on when it looks: it may have fewer places
            passed = len(trace.read_text(encoding="utf-8").split())
            assert (dead.code, passed) == (-signal.SIGKILL, number) or (
                dead.code == 0 and passed < number
            ), place
            ended = other.run("run", *other.trained)
            assert ended.code == 0, f"{place}\n{ended.err}"
            assert attempts(other) == 1, place
            assert other.weights() == finished[0].weights(), place
            assert len(list((other.repo / "plans").glob("ADR-*.md"))) == 1, place
        finally:
            other.clear()
    with capsys.disabled():
        seconds = time.monotonic() - began
        print(f"\ntrained_dit: killed at {len(killed)} of {len(places)} places, {seconds:.0f} s")
