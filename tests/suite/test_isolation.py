"""One failure is one failure: what a failed test leaves open is not the next test's error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PYPROJECT = TESTS.parent / "pyproject.toml"

LEAVES_OPEN = """
import gc, os, socket, sqlite3, subprocess, sys

def test_fails_with_everything_open():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1, stdout=-1, stderr=-1)
    connection, file, plug = sqlite3.connect(":memory:"), open(os.devnull), socket.socket()
    itself = [process, connection, file, plug]
    itself.append(itself)  # nothing but the garbage collector ever finds these
    assert not itself

def test_next():
    gc.collect()
"""

FAILS_TO_SET_UP = """
import gc, socket
import pytest

@pytest.fixture(scope="module")
def plug():
    plug = socket.socket()
    raise OSError("no")

def test_cannot_begin(plug):
    pass

def test_next():
    gc.collect()
"""

STARTS_ONE = """
import sys
from pathlib import Path

def test_fails_beside_a_process(processes):
    process = processes([sys.executable, "-c", "input()"], stdin=-1, stdout=-1)
    Path("pid").write_text(str(process.pid))
    assert process.poll() is not None
"""


def outcome(folder: Path, test: str, *, ours: bool = True) -> str:
    """How pytest counts a file of tests, under the rules of this suite."""
    if ours:
        shutil.copy(TESTS / "conftest.py", folder)
    (folder / "test_it.py").write_text(test, encoding="utf-8")
    words = ["-q", "-c", str(PYPROJECT), "--rootdir", str(folder), "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-p", "no:xdist", "test_it.py"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()[-1].partition(" in ")[0]


@pytest.mark.parametrize(
    ("test", "counted"),
    [(LEAVES_OPEN, "1 failed, 1 passed"), (FAILS_TO_SET_UP, "1 passed, 1 error")],
    ids=["a test", "a fixture"],
)
def test_what_a_failed_test_leaves_open_is_no_error_of_the_next(
    tmp_path: Path, test: str, counted: str
) -> None:
    assert outcome(tmp_path, test) == counted


def test_without_our_rules_the_next_test_would_be_blamed(tmp_path: Path) -> None:
    """The check above can fail: pytest alone counts the open ends against the next test."""
    assert outcome(tmp_path, LEAVES_OPEN, ours=False) != "1 failed, 1 passed"


def test_a_process_ends_with_its_test(tmp_path: Path) -> None:
    assert outcome(tmp_path, STARTS_ONE) == "1 failed"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), 0)
