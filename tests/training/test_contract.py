"""What a script may rely on that imports ``run``: real processes, real signals, real kills."""

import ast
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from training.contract import ContractError, Run

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "training" / "contract.py"
VARIABLES = ("RUN_DIR", "RESUME", "DATA_DIR", "SETTINGS", "KEY", "DEADLINE")
RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT")

SUM = """
import os, signal, sys
from training.contract import run

def begin(total, every):
    state = run.resume()
    value = int((state / "value").read_text()) if state else 0
    for step in run.steps(run.step, total):
        value += step
        run.log(step, loss=value)
        happen(step)
        if run.save_due(step, every=every):
            with run.checkpoint(step) as directory:
                (directory / "value").write_text(str(value))
        happen(-step)
    run.finish(value=value)
    print(run.step, run.stopped)

def happen(step):
    ...
"""
"""A training that adds up its steps; `happen` is called in each, before and after saving."""


@dataclass(frozen=True)
class Place:
    """A folder in which scripts run, by hand unless variables are given."""

    folder: Path

    @property
    def run(self):
        return self.folder / "run"

    def command(self, text):
        script = self.folder / "script.py"
        script.write_text(text, encoding="utf-8")
        return [sys.executable, "-S", str(script)]

    def environment(self, **variables):
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}

    def call(self, text, *, code=0, **variables):
        done = subprocess.run(
            self.command(text),
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout.strip() if code == 0 else done.stderr.strip()

    def rows(self):
        return [json.loads(x) for x in (self.run / "metrics.jsonl").read_bytes().splitlines()]

    def steps(self):
        return [row["step"] for row in self.rows()]

    def checkpoints(self):
        return sorted(path.name for path in (self.run / "checkpoints").iterdir())

    def result(self):
        return json.loads((self.run / "result.json").read_bytes())

    def write(self, name, text):
        path = self.run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in (*(f"GOAP_{each}" for each in VARIABLES), *RANKS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def names(step):
    return [f"step-{each:08d}" for each in step]


# By itself


def test_it_runs_as_a_lone_file_and_importing_it_loads_the_standard_library_and_touches_nothing(
    place,
):
    shutil.copy(MODULE, place.folder / "contract.py")
    program = (
        "import sys; sys.path.insert(0, '.'); from contract import run; run.key;"
        "print(sorted({n.partition('.')[0] for n in sys.modules} - sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program],
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['__main__', 'contract']\n"
    assert [path.name for path in place.folder.iterdir()] == ["contract.py"]


def test_importing_it_from_the_package_loads_nothing_else_of_ours(place):
    program = "import sys, training.contract\nprint(sorted(n for n in sys.modules if 'train' in n))"
    assert place.call(program) == "['training', 'training.contract']"


def test_python_3_9_can_read_it():
    ast.parse(MODULE.read_text(encoding="utf-8"), feature_version=(3, 9))


# By hand


def test_by_hand_it_works_in_run_and_goes_on_from_its_newest_checkpoint(place):
    assert place.call(f"{SUM}\nbegin(7, every=3)") == "7 total"
    assert place.checkpoints() == names([3, 6, 7])
    assert place.result() == {"step": 7, "value": 28}
    assert place.call(f"{SUM}\nbegin(10, every=3)") == "10 total"
    assert place.steps() == list(range(1, 11))
    assert place.result() == {"step": 10, "value": 55}


def test_a_training_that_is_done_makes_no_step_and_keeps_its_result(place):
    place.call(f"{SUM}\nbegin(4, every=2)")
    assert place.call(f"{SUM}\nbegin(4, every=2)") == "4 total"
    assert (place.steps(), place.result()["step"]) == ([1, 2, 3, 4], 4)


def test_where_things_are_does_not_change_with_the_working_directory(place):
    run = Run()
    assert run.directory == place.run
    os.chdir("/")
    assert (run.directory, Run().settings, Run().key, Run().deadline) == (place.run, {}, "", None)


# The environment


def test_the_environment_says_where_and_with_what(place, monkeypatch):
    settings = place.write("settings.json", '{"lr": 0.1}')
    values = (place.folder / "here", "", "/data", settings, "0123456789abcdef", "1793500000.5")
    for name, value in zip(VARIABLES, values, strict=True):
        monkeypatch.setenv(f"GOAP_{name}", str(value))
    run = Run()
    assert run.directory == place.folder / "here"
    assert (run.data, run.settings, run.key) == (Path("/data"), {"lr": 0.1}, "0123456789abcdef")
    assert (run.deadline, run.resume(), run.step) == (1793500000.5, None, 0)


@pytest.mark.parametrize(
    ("name", "value", "attribute"),
    [
        ("SETTINGS", "absent.json", "settings"),
        ("SETTINGS", "list.json", "settings"),
        ("SETTINGS", "torn.json", "settings"),
        ("DEADLINE", "tomorrow", "deadline"),
        ("DATA_DIR", "", "data"),
        ("RESUME", "absent/step-00000003", "step"),
        ("RESUME", "odd", "step"),
    ],
)
def test_what_the_environment_says_wrongly_is_an_error_that_names_it(
    place, monkeypatch, name, value, attribute
):
    (place.folder / "list.json").write_text("[1]", encoding="utf-8")
    (place.folder / "torn.json").write_text('{"lr": ', encoding="utf-8")
    (place.folder / "odd").mkdir()
    monkeypatch.setenv(f"GOAP_{name}", value)
    with pytest.raises(ContractError, match=value or f"GOAP_{name}"):
        getattr(Run(), attribute)


def test_the_given_checkpoint_is_resumed_also_when_a_newer_one_is_there(place):
    place.call(f"{SUM}\nbegin(6, every=2)")
    older = place.run / "checkpoints" / "step-00000002"
    assert place.call(f"{SUM}\nbegin(6, every=2)", GOAP_RESUME=str(older)) == "6 total"
    assert (place.steps(), place.result()["value"]) == ([1, 2, 3, 4, 5, 6], 21)
    assert place.call(f"{SUM}\nbegin(3, every=2)", GOAP_RESUME="") == "3 total"
    assert (place.steps(), place.result()["value"]) == ([1, 2, 3], 6)


# Stops


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_loop_after_a_saved_step_and_the_next_attempt_ends_as_undisturbed(
    place, processes, number
):
    told = 'happen = lambda step: print("here", flush=True) if step == 20 else None'
    process = processes(
        place.command(f"{SUM}\n{told}\nbegin(10**9, every=10**6)"),
        cwd=place.folder,
        env=place.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "here\n"
    process.send_signal(number)
    said, _ = process.communicate(timeout=300)
    last = int(said.split()[0])
    assert (process.returncode, said.strip()) == (0, f"{last} {number.name}")
    assert place.checkpoints()[-1:] == names([last])
    assert not (place.run / "result.json").exists()
    total = last + 5
    assert place.call(f"{SUM}\nbegin({total}, every=10**6)") == f"{total} total"
    assert place.result() == {"step": total, "value": total * (total + 1) // 2}
    assert place.steps() == list(range(1, total + 1))


@pytest.mark.parametrize(
    ("when", "end", "saved"),
    [(3, 3, [3]), (-3, 4, [4]), (5, 5, [5]), (-5, 5, [5]), (-9, 10, [5, 10]), (10, 10, [5, 10])],
    ids=[
        "in a step",
        "after one",
        "in a saved one",
        "after a saved one",
        "before the last",
        "in it",
    ],
)
def test_a_stop_loses_no_step_and_makes_none_more_than_it_needs(place, when, end, saved):
    raised = f"happen = lambda step: signal.raise_signal(15) if step == {when} else None"
    why = "total" if end == 10 else "SIGTERM"
    assert place.call(f"{SUM}\n{raised}\nbegin(10, every=5)") == f"{end} {why}"
    assert place.checkpoints() == names(saved)
    assert (place.run / "result.json").exists() == (end == 10)


def test_a_second_interrupt_ends_the_script_at_once(place):
    raised = "happen = lambda step: [signal.raise_signal(2) for _ in 'ab'] if step == 3 else None"
    assert "KeyboardInterrupt" in place.call(f"{SUM}\n{raised}\nbegin(9, every=2)", code=-2)
    assert place.checkpoints() == names([2])


def test_after_the_deadline_no_step_begins_and_nothing_says_finished(place):
    assert place.call(f"{SUM}\nbegin(9, every=2)", GOAP_DEADLINE="1") == "0 deadline"
    assert not (place.run / "result.json").exists()


def test_signals_are_as_they_were_before_and_after_the_loop(place):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    for _ in Run().steps(0, 3):
        assert signal.getsignal(signal.SIGTERM) != before[0]
        break
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_signal_that_was_ignored_stays_ignored(place):
    ignored = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    raised = "happen = lambda step: signal.raise_signal(2)"
    assert place.call(f"{SUM}\n{ignored}\n{raised}\nbegin(4, every=2)") == "4 total"


def test_a_process_that_the_script_forked_ends_by_its_signal(place):
    forked = """
def happen(step):
    ready, begun = os.pipe()
    child = os.fork()
    if not child:
        os.write(begun, b".")
        while True:
            signal.pause()
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    assert os.waitpid(child, 0)[1] == signal.SIGTERM
"""
    assert place.call(f"{SUM}\n{forked}\nbegin(2, every=2)") == "2 total"


def test_outside_of_the_main_thread_the_loop_ends_at_its_total(place):
    thread = "import threading\nthreading.Thread(target=begin, args=(3, 2)).start()"
    assert place.call(f"{SUM}\n{thread}") == "3 total"


def test_a_second_loop_of_a_script_is_a_loop_of_its_own(place):
    run = Run()
    assert (list(run.steps(0, 2)), run.stopped) == ([1, 2], "total")
    assert (list(run.steps(2, 4)), run.stopped) == ([3, 4], "total")
    assert list(run.steps(9, 4)) == []


def test_each_reason_to_save_is_told_once(place, monkeypatch):
    run, told = Run(), []
    for step in run.steps(0, 7):
        told += [(step, run.save_due(step, every=3)), (step, run.save_due(step, every=3))]
    assert [step for step, due in told if due] == [3, 6, 7]
    monkeypatch.setenv("GOAP_DEADLINE", "1")
    late = Run()
    assert [late.save_due(step) for step in (1, 1, 2)] == [True, False, False]
    with pytest.raises(ValueError, match="-3"):
        late.save_due(4, every=-3)


# Numbers


class Scalar:
    """One number on a device, as torch has it."""

    def __init__(self, *values):
        self.values = values

    def __repr__(self):
        # names a test: the same in every process that collects it
        return f"Scalar{self.values}"

    def item(self):
        (value,) = self.values
        return value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.25, "0.25"),
        (3, "3"),
        (True, "1"),
        (10**400, "1" + "0" * 400),
        (-0.0, "-0.0"),
        (5e-324, "5e-324"),
        (Decimal("0.5"), "0.5"),
        (Fraction(1, 4), "0.25"),
        (np.float32(0.5), "0.5"),
        (np.int64(7), "7"),
        (np.array([[2.5]]), "2.5"),
        (Scalar(1.5), "1.5"),
        (float("nan"), '"NaN"'),
        (np.float32("inf"), '"Infinity"'),
        (Scalar(float("-inf")), '"-Infinity"'),
        (Decimal("NaN"), '"NaN"'),
    ],
    ids=repr,
)
def test_a_number_is_written_as_json_and_as_itself(place, value, written):
    run = Run()
    run.log(1, loss=value)
    assert (place.run / "metrics.jsonl").read_text("utf-8").endswith(f'"loss": {written}}}\n')
    run.finish(loss=value)
    assert (place.run / "result.json").read_text("utf-8") == f'{{"step": 0, "loss": {written}}}\n'


@pytest.mark.parametrize(
    "value",
    ["3", b"3", None, [1.0], 1j, np.zeros(2), Scalar("3"), Scalar(1, 2), {}, Fraction(10**400)],
)
def test_what_is_no_number_is_refused_by_name_and_nothing_is_written(place, value):
    run = Run()
    with pytest.raises(TypeError, match="loss is of type"):
        run.log(1, good=1, loss=value)
    with pytest.raises(TypeError, match="loss is of type"):
        run.finish(loss=value)
    assert list(place.folder.iterdir()) == []


@pytest.mark.parametrize(("step", "error"), [(-1, ValueError), (1.0, TypeError), ("1", TypeError)])
def test_a_step_is_a_whole_number_from_0(place, step, error):
    with pytest.raises(error):
        Run().log(step, loss=1)
    with pytest.raises(error), Run().checkpoint(step):
        ...
    Run().log(np.int32(4), loss=1)
    assert place.steps() == [4]


def test_the_time_is_written_by_the_contract(place):
    with pytest.raises(TypeError, match="another name"):
        Run().log(1, time=3)


def test_a_line_for_which_there_is_no_room_leaves_nothing_of_itself(place):
    place.write("metrics.jsonl", "")
    text = """
import resource
from training.contract import run
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
run.log(1, loss=1)
for _ in "ab":
    try:
        run.log(2, loss=2, more=3)
    except OSError as error:
        print(error.strerror)
"""
    assert place.call(text).splitlines()[0] == "No space left on device"
    assert place.steps() == [1]


def test_rows_after_the_resumed_step_are_cut_before_the_first_new_one(place, monkeypatch):
    rows = [*(f'{{"step": {step}, "loss": 1}}\n' for step in (0, 1, 2, 2, 3, 4)), "no row\n"]
    metrics = place.write("metrics.jsonl", "".join([*rows, '{"step": 1, "lo']))
    place.write("checkpoints/step-00000002/value", "3")
    run = Run()
    run.log(3, loss=9)
    assert metrics.read_text("utf-8").startswith("".join([*rows[:4], rows[-1]]))
    assert metrics.read_text("utf-8").count('"step": 3') == 1
    run.log(1, loss=1)  # an attempt may say what it likes
    run.log(3, other=1)
    assert metrics.read_bytes().count(b"\n") == 8
    monkeypatch.setenv("GOAP_RESUME", "")
    Run().log(0, loss=1)
    assert metrics.read_bytes().count(b"\n") == 2  # the one that is no row of ours stays


# Checkpoints


def test_a_checkpoint_is_absent_until_its_block_ends(place):
    run = Run()
    with run.checkpoint(5) as directory:
        (directory / "deep").mkdir()
        (directory / "deep" / "model").write_bytes(b"x")
        assert not (place.run / "checkpoints" / "step-00000005").exists()
    assert place.checkpoints() == names([5])
    assert (place.run / "checkpoints/step-00000005/deep/model").read_bytes() == b"x"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_after_an_exception_nothing_is_left_and_the_older_one_is_as_it_was(place, error):
    place.write("checkpoints/step-00000005/model", "old")

    def write():
        with Run().checkpoint(5) as directory:
            (directory / "model").write_bytes(b"new")
            raise error

    with pytest.raises(error):
        write()
    assert place.checkpoints() == names([5])
    assert (place.run / "checkpoints/step-00000005/model").read_text("utf-8") == "old"


def test_a_checkpoint_of_the_same_step_is_replaced_as_a_whole(place):
    place.write("checkpoints/step-00000005/model", "old")
    place.write("checkpoints/step-00000005/manifest.json", "{}")
    with Run().checkpoint(5) as directory:
        (directory / "model").write_bytes(b"new")
    assert place.checkpoints() == names([5])
    (file,) = (place.run / "checkpoints/step-00000005").iterdir()
    assert file.read_bytes() == b"new"


def test_a_checkpoint_with_nothing_in_it_is_refused(place):
    with (
        pytest.raises(ContractError, match="nothing was written"),
        Run().checkpoint(5) as directory,
    ):
        (directory / "folder").mkdir()
    assert place.checkpoints() == []


def test_what_a_kill_left_is_cleared_and_what_was_about_to_be_replaced_is_back(place):
    place.write("checkpoints/.tmp-step-00000009-1-ab/model", "half")
    place.write("checkpoints/.old-step-00000005/model", "5")  # killed between two renames
    place.write("checkpoints/.old-step-00000003/model", "3")  # killed while it was removed
    place.write("checkpoints/step-00000003/model", "3 again")
    place.write(".tmp-result.json-17", "{")
    mine = place.write("checkpoints/.notes-step-by-step/file", "mine")
    run = Run()
    assert run.resume() == place.run / "checkpoints" / "step-00000005"
    run.log(6, loss=1)
    assert place.checkpoints() == [".notes-step-by-step", *names([3, 5])]
    assert mine.exists()
    assert (place.run / "checkpoints/step-00000003/model").read_text("utf-8") == "3 again"
    assert sorted(path.name for path in place.run.iterdir()) == ["checkpoints", "metrics.jsonl"]


def test_what_a_living_process_writes_is_not_cleared(place):
    with Run().checkpoint(5) as directory:
        (directory / "model").write_bytes(b"x")
        assert Run().resume() is None
    assert place.checkpoints() == names([5])


POINTS = """
import os
from training.contract import run

def point():
    os.write(1, b".")
    os.read(0, 1)

state = run.resume()
value = int((state / "0").read_text()) if state else 1
for step in run.steps(run.step, 60):
    value = value * 1103515245 % 2147483647 + step
    point()
    run.log(step, loss=value)
    if run.save_due(step, every=2):
        for _ in "ab":  # the second replaces the first
            with run.checkpoint(step) as directory:
                for part in range(3):
                    (directory / str(part)).write_text(str(value))
                    point()
run.finish(value=value)
"""
"""Says when it passes a point, and waits there until it is let go on."""


def kill_after(processes, place, points):
    """Let an attempt pass so many points, and kill it before it passes another."""
    process = processes(
        place.command(POINTS),
        cwd=place.folder,
        env=place.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    process.stdin.write(b"." * points)
    for _ in range(points):
        assert process.stdout.read(1)
    process.kill()
    process.wait()


def test_kills_at_any_instant_leave_whole_checkpoints_and_change_no_result(place, processes):
    calm = Place(place.folder / "calm")
    calm.folder.mkdir()
    calm.call(POINTS)
    randomness = random.Random(1)
    for _ in range(10):
        kill_after(processes, place, randomness.randrange(1, 30))
        for path in (place.run / "checkpoints").glob("step-*"):
            assert len({(path / part).read_text("utf-8") for part in "012"}) == 1
    assert not (place.run / "result.json").exists()
    place.call(POINTS)
    assert place.result() == calm.result()
    assert place.checkpoints() == calm.checkpoints()
    rows = [[(row["step"], row["loss"]) for row in each.rows()] for each in (place, calm)]
    assert rows[0] == rows[1]


# The end


def test_the_result_and_the_failure_of_an_earlier_attempt_do_not_speak_for_a_new_one(place):
    place.write("result.json", "{}")
    place.write("failure.json", "{}")
    run = Run()
    assert list(run.steps(3, 3)) == []
    assert [path.name for path in place.run.iterdir()] == ["result.json"]
    for _ in run.steps(3, 4):
        assert list(place.run.iterdir()) == []
    assert run.finish(val_loss=0.5)
    assert place.result() == {"step": 4, "val_loss": 0.5}


def test_a_loop_that_the_script_itself_left_may_be_finished(place):
    run = Run()
    for step in run.steps(0, 9):
        if step == 4:
            break
    assert run.finish()
    assert place.result() == {"step": 4}


def test_a_job_without_steps_has_a_result(place):
    assert Run().finish(accuracy=0.9)
    assert place.result() == {"step": 0, "accuracy": 0.9}


def test_a_failure_has_a_name_a_class_and_a_message(place):
    run = Run()
    run.fail("out_of_memory", "resource", "no memory for batch 64 at step 3")
    assert json.loads((place.run / "failure.json").read_bytes()) == {
        "name": "out_of_memory",
        "class": "resource",
        "message": "no memory for batch 64 at step 3",
    }
    with pytest.raises(ValueError, match="transient, permanent"):
        run.fail("x", "Resource", "y")


# Several processes


def start_rank(processes, place, text, rank, **variables):
    ranks = {"RANK": str(rank), "WORLD_SIZE": "2", "TMPDIR": str(place.folder), **variables}
    return processes(
        place.command(text),
        cwd=place.folder,
        env=place.environment(**ranks),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ends(process, code=0):
    said, wrong = process.communicate(timeout=300)
    assert process.returncode == code, wrong
    return said.strip() if code == 0 else wrong.strip()


def test_of_two_processes_one_writes_and_both_make_the_same_steps(place, processes):
    text = f"{SUM}\nbegin(7, every=3)"
    zero = start_rank(processes, place, text, 0)
    assert ends(zero) == "7 total"
    written = {path: path.stat().st_mtime_ns for path in place.run.rglob("*")}
    # also one that comes late, and even then it neither writes nor removes anything
    assert ends(start_rank(processes, place, text, 1, GOAP_RESUME="")) == "7 total"
    assert {path: path.stat().st_mtime_ns for path in place.run.rglob("*")} == written
    assert (place.steps(), place.checkpoints()) == (list(range(1, 8)), names([3, 6, 7]))
    assert not list(place.folder.glob(".tmp-*"))


@pytest.mark.parametrize("told", [(0,), (0, 1)], ids=["rank 0", "both"])
def test_two_processes_stop_at_the_same_step_and_save_it(place, processes, told):
    text = 'happen = lambda step: print("here", flush=True) if step == 20 else None'
    text = f"{SUM}\n{text}\nbegin(10**9, every=10**6)"
    both = [start_rank(processes, place, text, rank) for rank in (0, 1)]
    for process in both:
        assert process.stdout.readline() == "here\n"
    for rank in told:
        both[rank].send_signal(signal.SIGTERM)
    ended = {ends(process) for process in both}
    last = place.steps()[-1]
    assert ended == {f"{last} SIGTERM"}
    assert place.checkpoints() == names([last])


def test_a_process_whose_rank_0_is_gone_says_so_instead_of_waiting(place, processes):
    left = "def happen(step):\n    if step == 4 and not run.rank: sys.exit()"
    text = f"{SUM}\n{left}\nbegin(9, every=3)"
    both = [start_rank(processes, place, text, rank) for rank in (0, 1)]
    ends(both[0])
    assert ends(both[1], code=1).endswith("rank 0 ended after 4 steps, before this process")


def test_processes_of_several_machines_are_refused(place, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "16")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    with pytest.raises(ContractError, match="several machines"):
        list(Run().steps(0, 3))


def test_a_failure_is_written_by_whichever_process_knows(place, monkeypatch):
    monkeypatch.setenv("RANK", "3")
    Run().fail("out_of_memory", "resource", "on the fourth GPU")
    assert (place.run / "failure.json").exists()


# The page


@pytest.fixture
def page():
    """The script of a language, as docs/contract.md shows it."""
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^```([\w-]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def stop_at(text, step):
    """A script of the page that is told to stop in one of its steps."""
    line = "    run.log(step"
    assert line in text
    return text.replace(
        line, f"    if step == {step}: __import__('signal').raise_signal(15)\n{line}"
    )


def test_the_python_script_of_the_page_learns_and_goes_on_after_a_stop(place, page):
    place.write("settings.json", '{"lr": 0.5}')
    lr = {"GOAP_SETTINGS": str(place.run / "settings.json")}
    place.call(stop_at(page["python"], 120), **lr)
    assert place.checkpoints() == names([50, 100, 120])
    assert not (place.run / "result.json").exists()
    place.call(page["python"], **lr)
    stopped = place.result()
    assert (stopped["step"], stopped["loss"] < 1e-3) == (300, True)
    assert place.steps() == list(range(1, 301))
    place.call(page["python"], GOAP_RUN_DIR=str(place.folder / "calm"), **lr)
    assert json.loads((place.folder / "calm" / "result.json").read_bytes()) == stopped


def bash(place, text, **variables):
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=place.folder,
        env=place.environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_bash_script_of_the_page_keeps_the_contract(place, page):
    script = page["shell-script"]
    given = {"GOAP_RUN_DIR": str(place.run), "GOAP_RESUME": "", "GOAP_DEADLINE": ""}
    bash(place, script, **{**given, "GOAP_DEADLINE": "1"})
    assert place.checkpoints() == names([1])
    told = script.replace("trap 'stop=1' TERM", "trap 'stop=1' TERM && kill -TERM $$")
    assert told != script
    newest = place.run / "checkpoints" / "step-00000001"
    bash(place, told, **{**given, "GOAP_RESUME": str(newest)})
    assert place.checkpoints() == names([1, 2])
    assert not (place.run / "result.json").exists()
    place.write("checkpoints/.tmp-50/state", "torn by a kill")
    newest = place.run / "checkpoints" / "step-00000002"
    bash(place, script, **{**given, "GOAP_RESUME": str(newest)})
    assert place.checkpoints() == names([1, 2, *range(50, 301, 50)])
    assert place.result() == {"step": 300, "sum": 45150}
    assert place.steps() == list(range(1, 301))


def test_the_page_has_a_row_for_every_name_of_run_and_for_every_variable(page):
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    table = text[text.index("| `run.…` |") :].partition("**Several")[0]
    first = " ".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    public = {name for name in vars(Run) if not name.startswith("_")} | {"stopped"}
    assert set(re.findall(r"`(\w+)", first)) == {"run", *public}
    module = MODULE.read_text(encoding="utf-8")
    assert set(re.findall(r"GOAP_\w+", text)) >= {f"GOAP_{name}" for name in VARIABLES}
    assert set(re.findall(r"GOAP_[A-Z_]+", module)) == {f"GOAP_{name}" for name in VARIABLES}
