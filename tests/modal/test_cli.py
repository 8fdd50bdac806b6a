"""The command line against the control plane: what a person, or a runner of CI, does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, until
from programs import goap, path_with

from training.compute.loopback.client import ControlPlane, ensure, find

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.slow]

SMOKE = ("goal=trained_dit", "compute=loopback", "preset=smoke")


@pytest.fixture
def desk(tmp_path: Path) -> Any:
    """A repository of one's own, whose control plane ends with the test."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    yield tmp_path
    plane = find(tmp_path / ".goap" / "loopback")
    if plane is not None:
        plane.do("stop")


def events(desk: Path, *types: str) -> list[dict[str, Any]]:
    shown = json.loads(goap(None, desk, "show", "last", "--events", "--json").out)["data"]
    found = [] if shown is None else shown["events"]  # the run may not have begun
    return [each["data"] for each in found if not types or each["type"] in types]


def launches(desk: Path) -> list[str]:
    """What the last run noted of its launch."""
    abouts = [each["about"] for each in events(desk, "step.noted")]
    return [about["launch"] for about in abouts if "launch" in about]


def start(processes: Any, desk: Path, *words: str, **given: str) -> "subprocess.Popen[str]":
    return processes(
        [sys.executable, "-m", "agents", "run", *words],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": path_with(ROOT), **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def do(desk: Path, *words: str) -> dict[str, Any]:
    """Let something go wrong, in the words of the guide."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "training.compute.loopback",
            "do",
            *words,
            "--state",
            ".goap/loopback",
        ],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": path_with(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    state: dict[str, Any] = json.loads(done.stdout)
    return state


def calls(desk: Path) -> list[dict[str, Any]]:
    return [each for each in do(desk, "state")["calls"] if each["function"] == "train"]


def test_a_rehearsal_with_faults_on_request_ends_done_with_one_call(
    desk: Path, processes: Any
) -> None:
    cold = goap(None, desk, "run", *SMOKE)
    assert cold.code == 0, cold.err
    print(json.dumps({"cold run, seconds": round(cold.seconds, 1)}))
    process = start(processes, desk, *SMOKE, "seed=1", "steps=600", "save_every=50")
    until(lambda: len(calls(desk)) == 2)
    call = calls(desk)[-1]["call"]
    until(lambda: any(each["call"] == call for each in do(desk, "state")["containers"].values()))
    do(desk, "fault", "rpc=FunctionGetOutputs", "kind=error", "times=2")
    do(desk, "kill", "fate=preempted", f"call={call}")
    until(lambda: calls(desk)[-1]["starts"] == 2)
    do(desk, "kill", "fate=out_of_memory", f"call={call}")
    assert process.wait(300) == 0, process.communicate()[0]
    assert len(calls(desk)) == 2
    process.communicate()
    noted = "\n".join(each["log"] for each in events(desk, "step.noted") if each["log"])
    assert noted.count("Starting at step 0") == 1  # the log is followed, each line once
    assert "Training completed at step 600/600" in noted
    again = goap(None, desk, "run", *SMOKE, "seed=1", "steps=600", "save_every=50")
    assert (again.code, "nothing to do" in again.err) == (0, True)


def test_25_is_in_the_ledger_intent_before_launch_and_a_killed_run_re_attaches(
    desk: Path, processes: Any
) -> None:
    words = (*SMOKE, "steps=20000", "save_every=5000")
    process = start(processes, desk, *words)
    until(lambda: find(desk / ".goap" / "loopback") is not None)
    until(lambda: calls(desk))
    process.kill()
    process.communicate()
    second = start(processes, desk, *words)
    until(lambda: launches(desk)[-1:] == ["attached"])
    second.send_signal(signal.SIGINT)
    said = second.communicate()[0]
    assert second.returncode == 130, said
    assert launches(desk) == ["intended", "attached"]
    assert len(calls(desk)) == 1
    # what the run says about stopping is a command that does it
    stop = re.findall(r"to stop it: (python -m agents stop .*)", said)[-1]
    done = subprocess.run(
        [sys.executable, *stop.split()[1:]],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": path_with(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "was asked to save and end" in done.stdout, done.stderr
    until(lambda: calls(desk)[0]["state"] == "done")


def test_21_slices_go_on_until_the_target_whatever_a_call_returns(desk: Path) -> None:
    # each call may train for 8 seconds: it returns early, in peace, and nothing is trained yet
    words = (*SMOKE, "steps=2500", "save_every=2000", "slice_seconds=8")
    ended = goap(None, desk, "run", *words)
    assert ended.code == 0, ended.err
    assert len(calls(desk)) > 1
    assert all(each["starts"] == 1 for each in calls(desk))


def test_11_each_reason_why_nobody_may_train_is_an_exit_code(
    plane: ControlPlane, tmp_path: Path
) -> None:
    (tmp_path / "none.toml").touch()
    words = ("run", "goal=trained_dit", "compute=modal", "preset=smoke")
    nothing = {"MODAL_CONFIG_PATH": str(tmp_path / "none.toml")}
    before = plane.do("state")["containers_started"]
    missing = goap(None, tmp_path, *words, **nothing)
    assert missing.code == 8, missing.err
    fix = missing.err.rsplit("fix: ", 1)[1].strip().splitlines()
    assert len(fix) == 4
    down = goap(plane, tmp_path, *words, MODAL_SERVER_URL="http://127.0.0.1:9")
    assert down.code == 3, down.err
    plane.do("token", identity="ak-rotated", secret="as-new")  # noqa: S106 - of no account
    plane.do("rates")  # no price, so that the cap cannot be kept
    for secret, code in (("as-old", 8), ("as-new", 5)):
        given = {"MODAL_TOKEN_ID": "ak-rotated", "MODAL_TOKEN_SECRET": secret}
        ended = goap(plane, tmp_path, *words, "seed=77", "max_cost=0.01", **given)
        assert ended.code == code, ended.err
    plane.do("token", identity="ak-ends", secret="as-new", expires=time.time() + 60)  # noqa: S106
    given = {"MODAL_TOKEN_ID": "ak-ends", "MODAL_TOKEN_SECRET": "as-new"}
    ended = goap(plane, tmp_path, *words[:3], "preset=dit128", **given)
    assert (ended.code, "the training needs" in ended.err) == (8, True), ended.err
    ended = goap(plane, tmp_path, *words, "gpu=A11")
    assert (ended.code, "A11" in ended.err) == (2, True), ended.err
    assert plane.do("state")["containers_started"] == before
    print(json.dumps({"no token": missing.seconds, "unreachable": down.seconds}))


def test_11_a_token_that_is_revoked_while_training_is_said_and_the_training_goes_on(
    plane: ControlPlane, tmp_path: Path, processes: Any
) -> None:
    token = {"MODAL_TOKEN_ID": "ak-mid", "MODAL_TOKEN_SECRET": "as-mid"}
    plane.do("token", identity="ak-mid", secret="as-mid")  # noqa: S106 - of no account
    words = ("goal=trained_dit", "compute=modal", "preset=smoke", "seed=88", "steps=8000")
    more = ("save_every=2000", "state=s", "repo=r")
    before = [each["call"] for each in plane.do("state")["calls"]]
    process = start(processes, tmp_path, *words, *more, **{**plane.environment(), **token})

    def launched() -> list[dict[str, Any]]:
        found = [each for each in plane.do("state")["calls"] if each["call"] not in before]
        return [each for each in found if each["function"] == "train"]

    until(launched)
    until(lambda: launched()[0]["state"] == "running")
    plane.do("revoke", identity="ak-mid")
    said = process.communicate()[0]
    assert process.returncode == 8, said
    assert launched()[0]["state"] == "running"
    plane.do("token", identity="ak-mid", secret="as-mid")  # noqa: S106 - likewise
    again = goap(plane, tmp_path, "run", *words, *more, **token)
    assert again.code == 0, again.err
    assert len(launched()) == 1


def test_the_best_of_four_is_trained_two_at_a_time_and_chosen_by_validation(desk: Path) -> None:
    sweep = "sweep=learning_rate=1e-3,1e-6 seed=0,1"
    words = ("goal=best_dit", "compute=loopback", "preset=smoke", sweep, "at_once=2")
    ended = goap(None, desk, "run", *words)
    assert ended.code == 0, ended.err
    assert len(calls(desk)) == 4
    told = goap(None, desk, "show", "last", "--events", "--json").out
    steps = [each for each in json.loads(told)["data"]["events"] if "candidate" in each["subject"]]
    running, most = set(), 0
    for each in steps:
        if each["type"] == "step.started":
            running.add(each["subject"])
        elif each["type"] == "step.verified":
            running.discard(each["subject"])
        most = max(most, len(running))
    assert most == 2
    (chosen,) = [
        each["outcome"] for each in events(desk, "step.finished") if each["action"] == "choose_best"
    ]
    measured = {each["name"]: each["value"] for each in chosen["measurements"]}
    losses = [measured[f"validation_loss_{number}"] for number in range(1, 5)]
    assert measured["validation_loss"] == min(losses)
    assert all(each["passed"] for each in chosen["gates"])
    assert list((desk / "plans").glob("ADR-001-best-dit-of-a-sweep-*.md"))
    again = goap(None, desk, "run", *words)
    assert (again.code, "nothing to do" in again.err) == (0, True)
    assert len(calls(desk)) == 4


def test_a_sweep_over_the_budget_starts_nothing_that_does_not_fit(
    plane: ControlPlane, tmp_path: Path
) -> None:
    plane.do("rates", gpu_hour_cost_a10g=36, cpu_hour_cost=0, mem_gib_hour_cost=0)
    words = ("run", "goal=best_dit", "compute=modal", "preset=smoke", "steps=7", "state=s")
    before = len([each for each in plane.do("state")["calls"] if each["function"] == "train"])
    ended = goap(plane, tmp_path, *words, "max_cost=0.01")
    assert ended.code == 5, ended.err
    now = len([each for each in plane.do("state")["calls"] if each["function"] == "train"])
    assert now == before
    plane.do("rates")


def launch_script() -> str:
    """The script of the workflow, as a runner gets it."""
    from ruamel.yaml import YAML

    path = ROOT / ".github" / "workflows" / "train.yml"
    workflow = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    steps = workflow["jobs"]["train"]["steps"]
    return str(next(each["run"] for each in steps if "compute=" in each.get("run", "")))


def test_04_the_workflow_launches_ends_and_a_later_one_collects(desk: Path, processes: Any) -> None:
    (desk / ".venv" / "bin").mkdir(parents=True)
    program = desk / ".venv" / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    program.chmod(0o755)

    def runner(words: str, patience: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": path_with(ROOT), "COMPUTE": "loopback"}
        return processes(
            ["bash", "-e", "-c", launch_script()],
            cwd=desk,
            env={**environment, "WORDS": words, "PATIENCE": patience},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert "nothing was asked for yet" in runner("", "20s").communicate()[0]
    # the training cannot end before it is let go, however long the first runner takes
    plane = ensure(desk / ".goap" / "loopback")
    first = runner("goal=trained_dit preset=smoke steps=600 save_every=100", "60s")
    until(lambda: calls(desk))
    plane.do("fault", rpc="VolumeCommit", kind="hang")
    out, err = first.communicate()
    assert first.returncode == 0, err
    assert "it goes on" in out, err
    assert "launched training" in err
    assert calls(desk)[0]["state"] != "done"
    plane.do("clear")
    plane.do("kill", fate="preempted", call=calls(desk)[0]["call"])
    until(lambda: calls(desk)[0]["state"] == "done")
    out, err = runner("", "600s").communicate()
    assert "collected" in out, err
    assert len(calls(desk)) == 1
    assert "nothing was asked for yet" in runner("", "20s").communicate()[0]
    wrong = runner("goal=trained_dit presett=smoke", "20s")
    wrong.communicate()
    assert wrong.returncode == 2
