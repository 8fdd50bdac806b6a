"""What one attempt leaves to the next: processes, a lock, a result, an account."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner.conftest import EXACT, ROOT, Carried, alive, kill
from tests.runner.test_kills import victims_of, wait_until
from training.runner.account import total_seconds
from training.runner.call import Call
from training.runner.carry import carry
from training.runner.order import Results
from training.store.lock import is_held

FORKS_AWAY = """
import os, pathlib, subprocess, sys, time
run = pathlib.Path(os.environ["GOAP_RUN_DIR"])
if not (run / "begun").exists():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", str(run)],
        start_new_session=True)
    (run / "begun").write_text("")
    time.sleep(600)
(run / "result.json").write_text("{}")
"""
LASTS = "import time\n" + EXACT.replace(
    "    run.log(step", "    time.sleep(0.01)\n    run.log(step"
)
FAILS_AFTER_A_RESULT = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
run = pathlib.Path(os.environ["GOAP_RUN_DIR"])
if not (run / "begun").exists():
    (run / "begun").write_text("")
    (run / "NAME").write_text('{"step": 3, "val_loss": 0.1}')
    sys.exit(9)
END
"""


@pytest.fixture
def begun(training):
    """A training whose script has forked a child away, and its runner; nothing is left after."""
    made = []

    def begun() -> tuple[Carried, "subprocess.Popen[str]"]:
        tiny = training(FORKS_AWAY, settings={}, words=())
        made.append(tiny)
        runner = tiny.start()
        wait_until((tiny.layout.path / "begun").exists)
        return tiny, runner

    yield begun
    for tiny in made:
        for pid in alive(tiny.root):
            kill(pid)


def kill_both(tiny: Carried, runner: "subprocess.Popen[str]") -> list[int]:
    """Kill runner and guard before either notices; who is left."""
    os.kill(runner.pid, signal.SIGSTOP)
    (guard,) = victims_of(tiny, runner, "guard")
    kill(guard)
    kill(runner.pid)
    runner.wait(timeout=60)
    wait_until(lambda: not victims_of(tiny, runner, "script"))
    return alive(tiny.root)


def test_what_is_left_of_runner_and_guard_killed_together_is_ended_by_the_next_attempt(begun):
    tiny, runner = begun()
    assert len(kill_both(tiny, runner)) == 1
    assert tiny.carry(code=0).status == "completed"
    assert alive(tiny.root) == []
    assert "Ended 1 processes that an earlier attempt left" in tiny.log


def test_what_is_left_of_the_same_training_on_another_volume_is_not_touched(begun):
    tiny, runner = begun()
    left = kill_both(tiny, runner)
    other = Carried(tiny.root.with_name("other"), tiny.order, tiny.processes)
    shutil.copytree(tiny.root, other.root)
    assert other.carry(code=0).status == "completed"
    assert alive(tiny.root) == left


def test_a_lock_that_was_handed_over_is_held_by_the_runner_alone(training, processes):
    tiny = training(FORKS_AWAY, settings={}, words=())
    lock = os.open(tiny.layout.lock_path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    words = ["--volume", str(tiny.root), "--key", tiny.order.key, "--lock-fd", str(lock)]
    command = [sys.executable, "-m", "training.runner", *words, "--contract", str(ROOT)]
    runner = processes(command, cwd=ROOT, pass_fds=(lock,))
    os.close(lock)
    wait_until((tiny.layout.path / "begun").exists)
    assert [pid for pid in alive(tiny.root) if has_open(pid, tiny.layout.lock_path)] == [runner.pid]
    kill(runner.pid)
    runner.wait(timeout=60)
    assert not is_held(tiny.layout.lock_path)
    wait_until(lambda: not alive(tiny.root))


def has_open(pid: int, path: Path) -> bool:
    return any(link.exists() and link.samefile(path) for link in Path(f"/proc/{pid}/fd").iterdir())


def test_a_work_directory_that_a_kill_left_is_removed_by_the_next_attempt(training, tmp_path):
    tiny = training(LASTS, settings={"steps": 200, "every": 5})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tiny.environment["TMPDIR"] = str(scratch)
    runner = tiny.start()
    wait_until(lambda: tiny.steps)
    kill(runner.pid)
    runner.wait(timeout=60)
    wait_until(lambda: not alive(tiny.root))
    assert len(list(scratch.glob("*/*"))) == 1
    assert tiny.carry(code=0).status == "completed"
    assert list(scratch.glob("*/*")) == []


@pytest.mark.parametrize("name", ["result.json", "all_results.json"])
@pytest.mark.parametrize("steps", [{"steps": 20}, {}])
def test_an_attempt_that_is_stopped_is_not_finished_by_the_result_of_one_that_failed(
    training, name, steps
):
    script = FAILS_AFTER_A_RESULT.replace("NAME", name).replace("END", "time.sleep(600)")
    declared = {} if name == "result.json" else {"result": Results(name)}
    tiny = training(script, settings=steps, words=(), **declared)
    assert tiny.carry(code=1).failure.name == "exit_9"
    ending = tiny.carry("--deadline", "0.5", code=75)
    assert ending.status == "interrupted"
    assert "val_loss" not in ending.numbers


def test_a_script_that_ends_well_is_not_finished_by_the_result_of_one_that_failed(training):
    script = FAILS_AFTER_A_RESULT.replace("NAME", "result.json").replace("END", "sys.exit(0)")
    tiny = training(script, settings={"steps": 20}, words=())
    tiny.carry(code=1)
    assert tiny.carry(code=1).failure.name == "no_result"


def test_a_result_stays_where_no_step_is_left_to_make(training):
    tiny = training()
    whole = tiny.carry(code=0)
    before = (tiny.layout.path / "result.json").stat().st_mtime_ns
    tiny.layout.verdict_path.unlink()  # its runner was killed before the verdict
    assert tiny.carry(code=0).numbers["state"] == whole.numbers["state"]
    assert "Removed the result" not in tiny.log
    assert (tiny.layout.path / "result.json").stat().st_mtime_ns >= before


def test_the_account_goes_on_while_whoever_carries_is_busy(training):
    tiny = training()
    waited = []

    def commit() -> None:
        """A commit that takes as long as three heartbeats."""
        if not waited:
            waited.append(len(tiny.uses))
            wait_until(lambda: len(tiny.uses) >= waited[0] + 3)

    call = Call(heartbeat=0.05, contract=str(ROOT), after_save=commit)
    ending = carry(tiny.root, tiny.order.key, call=call)
    assert ending.status == "completed"
    states = [use.state for use in tiny.uses]
    assert (states[0], states[-1], set(states[1:-1])) == ("started", "ended", {"running"})
    seconds = [use.seconds for use in tiny.uses]
    assert seconds == sorted(seconds)


def test_the_account_sums_up_attempts_that_were_killed(training):
    tiny = training(LASTS, settings={"steps": 200, "every": 5})
    last = []
    for attempt in (1, 2):
        runner = tiny.start("--heartbeat", "0.05")
        wait_until(lambda number=attempt: beats_of(tiny, number) >= 3)
        kill(runner.pid)
        runner.wait(timeout=60)
        last.append(max(use.seconds for use in tiny.uses if use.attempt == attempt))
        with tiny.layout.account_path.open("ab") as file:
            file.write(b'{"attempt": 9, "seconds": 9')  # killed in the middle of a line
    ending = tiny.carry("--heartbeat", "0.05", code=0)
    third = max(use.seconds for use in tiny.uses if use.attempt == 3)
    assert ending.attempts == 3
    assert ending.seconds == pytest.approx(sum(last) + third)
    assert total_seconds(tiny.uses) == pytest.approx(ending.seconds)
    assert min(last) >= 0.15


def beats_of(tiny: Carried, attempt: int) -> int:
    if not tiny.layout.account_path.exists():
        return 0
    return sum(use.attempt == attempt and use.state == "running" for use in tiny.uses)


def test_a_guard_whose_runner_is_killed_while_the_script_starts_ends_it_and_says_nothing(processes):
    told, tell = os.pipe()
    os.close(told)
    guard = processes(
        [
            sys.executable,
            "-I",
            "-S",
            str(ROOT / "training/runner/guard.py"),
            str(tell),
            "sleep",
            "60",
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(tell,),
    )
    os.close(tell)
    assert guard.communicate(timeout=30) == (None, b"")
    assert guard.returncode == 0
