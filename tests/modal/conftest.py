"""One control plane for these tests, and clients that reach it and nothing else.

Tests marked ``cloud`` use neither: they go to Modal, when GOAP_TEST_CLOUD=1 and there is a token.
"""

import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import modal
import pytest

from training.compute.loopback.client import ControlPlane, ensure

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from forked import Forked  # noqa: E402 - it lies beside this file

FREE = {
    **{f"gpu_hour_cost_{name}": 0 for name in ("a10g", "t4", "l4", "h100")},
    **dict.fromkeys(("cpu_hour_cost", "mem_gib_hour_cost"), 0),
}
"""A rehearsal costs nothing, and says so; a test that is about prices lists its own."""


Measured = Callable[..., None]


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Keeps what a test counted; all of it is printed at the end, whichever worker counted it."""
    return lambda **numbers: record_property("measured", json.dumps(numbers))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was counted."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    for report in reports:
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "measured":
                test = report.nodeid.rpartition("::")[2]
                terminalreporter.write_line(f"modal {modal.__version__} {test}: {value}")


@pytest.fixture(scope="session")
def plane_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    root = tmp_path_factory.mktemp("loopback")
    found = ensure(root, "--retry-scale", "0.01", "--grace", "2")
    try:
        yield found
    finally:
        found.do("stop")


@pytest.fixture
def plane(plane_of_all: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    """The control plane, which this process's client talks to; no RPC it did not know was met."""
    for name, value in plane_of_all.environment().items():
        monkeypatch.setenv(name, value)
    plane_of_all.do("clear")
    plane_of_all.do("rates", **FREE)
    yield plane_of_all
    plane_of_all.do("clear")
    assert plane_of_all.do("state")["unimplemented"] == {}


@pytest.fixture
def scripts(plane: ControlPlane, python: "Python", tmp_path: Path) -> Any:
    """Trainings of tiny scripts."""
    from scripts import Scripts

    return Scripts(plane, python, tmp_path)


def until(true: Callable[[], Any], seconds: float = 300, every: float = 0.1) -> Any:
    """Ask until the answer is yes; the answer. Who waits in vain is told for what."""
    end = time.monotonic() + seconds
    while not (answer := true()):
        if time.monotonic() > end:
            asked = inspect.getsource(true).strip()
            pytest.fail(f"still {answer!r} after {seconds:.0f} seconds: {asked}")
        time.sleep(every)
    return answer


Python = Callable[..., Forked]


@pytest.fixture
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Python]:
    """Starts another process with a client of its own; it ends with the test."""
    started: list[Forked] = []

    def start(plane: ControlPlane, code: str, *words: str, **given: str) -> Forked:
        reach = {**os.environ, **plane.environment(), **given}
        started.append(Forked(tmp_path_factory.mktemp("python"), code, words, ROOT, reach))
        return started[-1]

    yield start
    for each in started:
        each.close()
