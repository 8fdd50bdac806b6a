"""The command line against the control plane: what a person, or a runner of CI, does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Measured, until
from desks import Desk, counted, furnish
from programs import cold_goap, goap, path_with

from training.compute.loopback.client import ControlPlane, find

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.slow]
both_clients = pytest.mark.both_clients

REHEARSAL = ("run", "goal=counter_trained", "compute=loopback")


@pytest.fixture
def desk(tmp_path: Path, processes: Any) -> Iterator[Desk]:
    """A repository of one's own, whose control plane ends with the test."""
    made = Desk.at(tmp_path, processes)
    yield made
    made.plane.do("stop")


def test_a_cold_rehearsal_of_a_model_of_ours_ends_done(tmp_path: Path, measured: Measured) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    cold = cold_goap(None, tmp_path, "run", "goal=trained_dit", "compute=loopback", "preset=smoke")
    plane = find(tmp_path / ".goap" / "loopback")
    assert plane is not None
    plane.do("stop")
    assert cold.code == 0, cold.err
    measured(cold_run_seconds=round(cold.seconds, 1))


@both_clients
def test_a_rehearsal_with_faults_on_request_ends_done_with_one_call(desk: Desk) -> None:
    words = (*REHEARSAL, "steps=40", "nap=0.1", f"waits={desk.folder / 'go'}")
    process = desk.start(*words)
    until(desk.calls)
    (call,) = [each["call"] for each in desk.calls()]

    def starts() -> int:
        """How many containers it had, the last of which runs or ran."""
        state = desk.plane.do("state")
        (found,) = [each for each in state["calls"] if each["call"] == call]
        coming = [each for each in state["containers"].values() if not each["process"]]
        return int(found["starts"]) - len(coming)

    def saved() -> list[Path]:
        roots = [each["root"] for each in desk.plane.do("state")["containers"].values()]
        pattern = "volume/trainings/*/checkpoints/step-*"
        return [path for root in roots for path in Path(root).glob(pattern)]

    until(saved)
    # the words of the guide
    do = ("-m", "training.compute.loopback", "do")
    for more in (
        ("fault", "rpc=FunctionGetOutputs", "kind=error", "times=2"),
        ("kill", "fate=preempted", f"call={call}"),
    ):
        subprocess.run(
            [sys.executable, *do, *more, "--state", ".goap/loopback"],
            cwd=desk.folder,
            env={**os.environ, "PYTHONPATH": path_with(ROOT)},
            capture_output=True,
            check=True,
        )
    (desk.folder / "go").touch()
    until(lambda: starts() == 2)
    desk.plane.do("kill", fate="out_of_memory", call=call)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert (len(desk.calls()), starts()) == (1, 3)
    noted = "\n".join(each["log"] for each in desk.events("step.noted") if each["log"])
    assert noted.count("Starting at step 0") == 1  # the log is followed, each line once
    assert "Training completed at step 40/40" in noted
    again = desk.goap(*words)
    assert (again.code, "nothing to do" in again.err) == (0, True)


@both_clients
def test_25_is_in_the_ledger_intent_before_launch_and_a_killed_run_re_attaches(
    desk: Desk,
) -> None:
    words = (*REHEARSAL, f"waits={desk.folder / 'never'}")
    process = desk.start(*words)
    until(desk.calls)
    process.kill()
    process.communicate()
    second = desk.start(*words)
    until(lambda: desk.launches()[-1:] == ["attached"])
    second.send_signal(signal.SIGINT)
    said = second.communicate()[0]
    assert second.returncode == 130, said
    assert desk.launches() == ["intended", "attached"]
    assert len(desk.calls()) == 1
    # what the run says about stopping is a command that does it
    stop = re.findall(r"to stop it: (python -m agents stop .*)", said)[-1]
    done = desk.goap(*stop.split()[3:])
    assert "was asked to save and end" in done.out, done.err
    until(lambda: desk.calls()[0]["state"] == "done")


@both_clients
def test_21_slices_go_on_until_the_target_whatever_a_call_returns(desk: Desk) -> None:
    # each call may train for 8 seconds: it returns early, in peace, and nothing is trained yet
    ended = desk.goap(*REHEARSAL, "steps=100", "nap=0.1", "slice_seconds=8")
    assert ended.code == 0, ended.err
    assert len(desk.calls()) > 1
    assert all(each["starts"] == 1 for each in desk.calls())
    outcomes = json.dumps(desk.events("step.finished"))
    assert str(counted(100)) in outcomes


@both_clients
def test_11_each_reason_why_nobody_may_train_is_an_exit_code(
    plane: ControlPlane, tmp_path: Path, measured: Measured
) -> None:
    (tmp_path / "none.toml").touch()
    words = ("run", "goal=trained_dit", "compute=modal", "preset=smoke")
    nothing = {"MODAL_CONFIG_PATH": str(tmp_path / "none.toml")}
    before = plane.do("state")["containers_started"]
    missing = cold_goap(None, tmp_path, *words, **nothing)
    assert missing.code == 8, missing.err
    fix = missing.err.rsplit("fix: ", 1)[1].strip().splitlines()
    assert len(fix) == 4
    down = cold_goap(plane, tmp_path, *words, MODAL_SERVER_URL="http://127.0.0.1:9")
    assert down.code == 3, down.err
    measured(no_token_seconds=missing.seconds, unreachable_seconds=down.seconds)

    def code_of(*more: str, preset: str = "smoke", **given: str) -> tuple[int, str]:
        ended = goap(plane, tmp_path, *words[:3], f"preset={preset}", *more, **given)
        return ended.code, ended.err

    plane.do("token", identity="ak-rotated", secret="as-new")  # noqa: S106 - of no account
    plane.do("rates")  # no price, so that the cap cannot be kept
    for secret, code in (("as-old", 8), ("as-new", 5)):
        given = {"MODAL_TOKEN_ID": "ak-rotated", "MODAL_TOKEN_SECRET": secret}
        found, said = code_of("seed=77", "max_cost=0.01", **given)
        assert found == code, said
    plane.do("token", identity="ak-ends", secret="as-new", expires=time.time() + 60)  # noqa: S106
    given = {"MODAL_TOKEN_ID": "ak-ends", "MODAL_TOKEN_SECRET": "as-new"}
    found, said = code_of(preset="dit128", **given)
    assert (found, "the training needs" in said) == (8, True), said
    found, said = code_of("gpu=A11")
    assert (found, "A11" in said) == (2, True), said
    assert plane.do("state")["containers_started"] == before


@both_clients
def test_11_a_token_that_is_revoked_while_training_is_said_and_the_training_goes_on(
    desk: Desk,
) -> None:
    plane, end = desk.plane, desk.folder / "end"
    token = {"MODAL_TOKEN_ID": "ak-mid", "MODAL_TOKEN_SECRET": "as-mid"}
    plane.do("token", identity="ak-mid", secret="as-mid")  # noqa: S106 - of no account
    words = ("run", "goal=counter_trained", "compute=modal", f"waits={end}")
    given = {**plane.environment(), **token}
    process = desk.start(*words, **given)
    until(lambda: desk.calls() and desk.calls()[0]["state"] == "running")
    plane.do("revoke", identity="ak-mid")
    said = process.communicate()[0]
    assert process.returncode == 8, said
    assert desk.calls()[0]["state"] == "running"
    plane.do("token", identity="ak-mid", secret="as-mid")  # noqa: S106 - likewise
    end.touch()
    again = desk.goap(*words, **given)
    assert again.code == 0, again.err
    assert len(desk.calls()) == 1


@both_clients
def test_the_best_of_four_is_trained_two_at_a_time_and_chosen_by_validation(desk: Desk) -> None:
    words = ("run", "goal=best_counter", "compute=loopback", "at_once=2")
    sweep = "sweep=lr=0.02,0.01 steps=10,12"
    ended = desk.goap(*words, sweep)
    assert ended.code == 0, ended.err
    assert len(desk.calls()) == 4
    told = json.loads(desk.goap("show", "last", "--events", "--json").out)["data"]["events"]
    running, most = set(), 0
    for each in (each for each in told if "train_counter_" in each["subject"]):
        if each["type"] == "step.started":
            running.add(each["subject"])
        elif each["type"] == "step.verified":
            running.discard(each["subject"])
        most = max(most, len(running))
    assert most == 2
    (chosen,) = [
        each["outcome"]
        for each in desk.events("step.finished")
        if each["action"] == "choose_best_counter"
    ]
    measured = {each["name"]: each["value"] for each in chosen["measurements"]}
    assert measured["val_loss"] == 0.1
    assert all(each["passed"] for each in chosen["gates"])
    assert list((desk.folder / "plans").glob("ADR-001-*.md"))
    again = desk.goap(*words, sweep)
    assert (again.code, "nothing to do" in again.err) == (0, True)
    assert len(desk.calls()) == 4


@both_clients
def test_a_sweep_over_the_budget_starts_nothing_that_does_not_fit(
    plane: ControlPlane, tmp_path: Path
) -> None:
    plane.do("rates", gpu_hour_cost_a10g=36, cpu_hour_cost=36, mem_gib_hour_cost=0)
    words = ("run", "goal=best_counter", "compute=modal", "state=s", "max_cost=0.0001")
    before = len(plane.do("state")["calls"])
    ended = goap(plane, furnish(tmp_path), *words)
    plane.do("rates")
    assert ended.code == 5, ended.err
    assert len(plane.do("state")["calls"]) == before


def launch_script() -> str:
    """The script of the workflow, as a runner gets it."""
    from ruamel.yaml import YAML

    path = ROOT / ".github" / "workflows" / "train.yml"
    workflow = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    steps = workflow["jobs"]["train"]["steps"]
    return str(next(each["run"] for each in steps if "compute=" in each.get("run", "")))


@both_clients
def test_04_the_workflow_launches_ends_and_a_later_one_collects(desk: Desk) -> None:
    (desk.folder / ".venv" / "bin").mkdir(parents=True)
    program = desk.folder / ".venv" / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    program.chmod(0o755)

    def runner(words: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": path_with(ROOT), "COMPUTE": "loopback"}
        started: subprocess.Popen[str] = desk.processes(
            ["bash", "-e", "-c", launch_script()],
            cwd=desk.folder,
            env={**environment, "WORDS": words, "PATIENCE": "10m"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return started

    assert "nothing was asked for yet" in runner("").communicate()[0]
    end = desk.folder / "end"
    first = runner(f"goal=counter_trained waits={end}")
    until(lambda: desk.calls() and desk.calls()[0]["state"] == "running")
    (clock,) = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    os.kill(int(clock), signal.SIGALRM)  # its time is over
    out, err = first.communicate()
    assert first.returncode == 0, err
    assert "it goes on" in out, err
    assert "launched training" in err
    assert desk.calls()[0]["state"] == "running"
    desk.plane.do("kill", fate="preempted", call=desk.calls()[0]["call"])
    end.touch()
    until(lambda: desk.calls()[0]["state"] == "done")
    out, err = runner("").communicate()
    assert "collected" in out, err
    assert len(desk.calls()) == 1
    assert "nothing was asked for yet" in runner("").communicate()[0]
    wrong = runner("goal=counter_trained stepss=3")
    wrong.communicate()
    assert wrong.returncode == 2
