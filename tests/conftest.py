"""What holds for every test: its verdict is its own, whatever the machine and the tests before.

A test that fails is one failure. What it leaves open is closed within it: else Python would find a
forgotten pipe or connection while another test runs, and the warning would be that test's error.
"""

import gc
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from traceback import clear_frames

import pytest
from hypothesis import HealthCheck, settings

# How fast a machine is at the moment says nothing about the code: no limit in milliseconds, and the
# same examples each time, so that a failure is found by everybody or by nobody.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")

# What a person, a hook of git or a shell has set does not reach the tests.
os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GOAP_FAILPOINT", "GOAP_STATE"):
    os.environ.pop(name, None)

# A shell starts what it puts into the background with Ctrl-C ignored, and processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

FAILURES = pytest.StashKey[list[BaseException]]()


def pytest_collection_finish() -> None:
    """What was imported to collect the tests stays: nobody searches it for garbage again.

    A training frees its memory when it ends; that took longer than its steps, most of it here.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what a test failed with: its frames hold what the test held."""
    report = yield
    if report.failed and call.excinfo is not None:
        item.stash.setdefault(FAILURES, []).append(call.excinfo.value)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let go of what a test set or held before the next one begins."""
    done = yield
    if "torch" in sys.modules:
        # choosing a device lets the processor flush what is denormal, in all that this process does
        sys.modules["torch"].set_flush_denormal(False)
    failures = item.stash.get(FAILURES, [])
    if failures:
        release(failures)
    return done


def release(failures: list[BaseException]) -> None:
    """Close what only the frames of these failures hold; the failures are reported already."""
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while failures:
            error = failures.pop()
            clear_frames(error.__traceback__)
            failures += [each for each in (error.__cause__, error.__context__) if each is not None]
            del error
        gc.collect()


@pytest.fixture
def processes() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts processes as ``subprocess.Popen`` does; each ends with the test, however that ends."""
    with ExitStack() as started:

        def start(command: list[str], **options: object) -> "subprocess.Popen[str]":
            process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
            started.callback(end, process)
            return process

        yield start


def end(process: "subprocess.Popen[str]") -> None:
    """Kill a process that still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):  # nobody reads what was not yet written
                pipe.close()
    process.wait()
