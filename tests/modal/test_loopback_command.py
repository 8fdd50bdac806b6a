"""``goap loopback -- COMMAND``: anybody's command of the client, on the rehearsal plane."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, until
from programs import path_with

from training.compute.loopback.client import ControlPlane

HERE = Path(__file__).parent
MODAL = (sys.executable, "-m", "modal")
pytestmark = pytest.mark.xdist_group("modal")


@pytest.fixture
def loopback(plane: ControlPlane, tmp_path: Path, processes: Callable[..., Any]) -> Any:
    """Starts the command in a state directory whose plane is that of these tests."""
    (tmp_path / "loopback").symlink_to(plane.root)

    def start(*words: str, **given: str) -> "subprocess.Popen[str]":
        clean = {name: value for name, value in os.environ.items() if name[:6] != "MODAL_"}
        started: subprocess.Popen[str] = processes(
            [sys.executable, "-m", "agents", "loopback", f"state={tmp_path}", *words],
            cwd=HERE,
            env={**clean, "PYTHONPATH": path_with(ROOT), "COLUMNS": "200", **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return started

    return start


def test_the_command_has_the_plane_for_its_cloud_and_its_own_exit_code(
    plane: ControlPlane, loopback: Any
) -> None:
    code = (
        "import json, os, sys\n"
        "names = [n for n in os.environ if n[:6] == 'MODAL_' or n.lower() == 'no_proxy']\n"
        "print(json.dumps({n: os.environ[n] for n in names}))\n"
        "sys.exit(7)"
    )
    theirs = {"MODAL_PROFILE": "theirs", "MODAL_TOKEN_ID": "ak-theirs", "NO_PROXY": "intern"}
    command = loopback("--", sys.executable, "-c", code, **theirs)
    out, err = command.communicate()
    assert command.returncode == 7
    reach = {**plane.environment(), "NO_PROXY": "intern,127.0.0.1", "no_proxy": "127.0.0.1"}
    assert json.loads(out) == reach
    assert "rehearsal" in err
    assert plane.token_secret not in err


def test_an_interruption_is_the_commands(loopback: Any) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(9))\n"
        "print('up', flush=True)\n"
        "time.sleep(60)"
    )
    command = loopback("--", sys.executable, "-c", code)
    assert command.stdout.readline() == "up\n"
    command.send_signal(signal.SIGINT)
    command.communicate()
    assert command.returncode == 9


def test_what_cannot_be_run_is_said(loopback: Any) -> None:
    nothing, unknown = loopback(), loopback("--", "no-such-command")
    assert "loopback -- modal run FILE" in nothing.communicate()[1]
    assert "no command 'no-such-command'" in unknown.communicate()[1]
    assert (nothing.returncode, unknown.returncode) == (2, 2)


def test_a_web_endpoint_is_refused_in_one_line(loopback: Any) -> None:
    command = loopback("--", *MODAL, "run", "endpoint.py")
    out, err = command.communicate()
    assert command.returncode == 1
    assert "serves no web endpoints, and hello is one" in out + err
    assert "Traceback" not in out + err


@pytest.mark.slow
@pytest.mark.both_clients
def test_an_app_as_people_write_them_runs(plane: ControlPlane, loopback: Any) -> None:
    command = loopback("--", *MODAL, "run", "tour.py", "--n", "2")
    out, err = command.communicate()
    assert command.returncode == 0, out + err
    lines = [line for line in out.splitlines() if not line.startswith("squaring")]
    assert [line for line in lines if line.split(" ")[0] in WORDS] == [
        "functions [16, [0, 1], [25], 36, 16, 5, 4]",
        "tried again [0, 1, 2, 3]",
        "generator [0, 1, 2]",
        "class 15 [2, 4]",
        "queue [1, 2] []",
        "empty",
        "raised",
    ]
    assert "squaring 4" in out
    assert "secret-of-the-tour" not in out + err
    assert plane.token_secret not in out + err
    until(lambda: plane.do("state")["containers"] == {})


WORDS = ("functions", "tried", "generator", "class", "queue", "empty", "raised")


@pytest.mark.slow
@pytest.mark.both_clients
def test_a_deployed_app_and_its_classes_are_found_by_name(
    plane: ControlPlane, loopback: Any
) -> None:
    deployed = loopback("--", *MODAL, "deploy", "tour.py")
    out, err = deployed.communicate()
    assert deployed.returncode == 0, out + err
    code = (
        "import modal\n"
        "print(modal.Cls.from_name('tour', 'Model')(weight=7).predict.remote(6))\n"
        "print(modal.Function.from_name('tour', 'odd_at_first').get_current_stats().backlog)\n"
        "print(modal.App.lookup('tour').app_id[:3])"
    )
    asked = loopback("--", sys.executable, "-c", code)
    assert asked.communicate()[0] == "42\n0\nap-\n"
