"""Whatever a script does, its end has a name, nothing is lost and no process is left."""

import json
import os
import shutil
import subprocess
import time

import pytest

from tests.runner.conftest import EXACT, alive
from training.errors import FailureClass


def broken_after(code: str, step: int = 12) -> str:
    """The exact script, which does something at a step, after a checkpoint at 10."""
    return EXACT.replace(
        "    run.log(step", f"    if step == {step}:\n        {code}\n    run.log(step"
    )


def ended_badly(tiny, name, failure_class, code=1):
    ending = tiny.carry(code=code)
    assert (ending.failure.name, ending.failure.failure_class) == (name, failure_class), tiny.log
    assert f"failed at step {ending.step}" in tiny.log.splitlines()[-1]
    assert alive(tiny.root) == []
    return ending


def test_one_that_prints_and_measures_nothing(training):
    script = "import os, pathlib\npathlib.Path(os.environ['GOAP_RUN_DIR'], 'result.json')"
    tiny = training(script + ".write_text('{\"good\": 1}')", settings={}, words=())
    ending = tiny.carry(code=0)
    assert (ending.status, ending.numbers, ending.checkpoint) == ("completed", {"good": 1.0}, None)


@pytest.mark.parametrize(
    "garbage",
    ["{", "[]", "null", "\\x00\\xff", '{"loss": 1}', '{"step": "x"}', "9" * 5000, "[" * 5000],
)
def test_one_that_writes_garbage_among_its_rows(training, garbage):
    write = (
        f"open(run.directory / 'metrics.jsonl', 'ab').write(({garbage!r} + '\\n').encode('latin1'))"
    )
    tiny = training(broken_after(write))
    ending = tiny.carry(code=0)
    assert (ending.status, ending.step) == ("completed", 20)


@pytest.mark.parametrize("loss", ["float('nan')", "float('inf')", "-float('inf')"])
def test_one_whose_loss_is_not_finite(training, loss):
    tiny = training(
        broken_after(f"run.log(step, loss={loss}); import time; time.sleep(60)"),
    )
    ending = ended_badly(tiny, "loss_not_finite", FailureClass.NUMERIC)
    assert tiny.steps == [5, 10]
    assert "at step 12" in ending.failure.message


def test_what_was_saved_after_a_loss_went_wrong_is_no_checkpoint(training):
    script = broken_after("run.log(step, loss=float('nan')); every = 1").replace(
        "    if step ==", "    time.sleep(0.02)\n    if step =="
    )
    tiny = training("import time\n" + script, settings={"steps": 400, "every": 5})
    ended_badly(tiny, "loss_not_finite", FailureClass.NUMERIC)
    assert max(tiny.steps) <= 12


def test_bare_words_of_other_libraries_are_read_the_same(training):
    write = "open(run.directory / 'metrics.jsonl', 'a').write('{\"step\": 12, \"loss\": NaN}\\n')"
    ended_badly(
        training(broken_after(f"{write}; import time; time.sleep(60)")),
        "loss_not_finite",
        FailureClass.NUMERIC,
    )


def test_one_that_learns_nothing(training):
    script = EXACT.replace("loss=1 + state / 2**64", "loss=0.0") + "import time; time.sleep(60)"
    ended_badly(training(script), "loss_collapsed", FailureClass.NUMERIC)


def test_a_loss_that_falls_far_is_no_collapse(training):
    script = EXACT.replace("loss=1 + state / 2**64", "loss=10.0 ** -(step / 2)")
    assert training(script).carry(code=0).numbers["loss"] == pytest.approx(1e-10)


def test_one_that_has_learned_all_there_is_goes_on(training):
    tiny = training(
        EXACT.replace("loss=1 + state / 2**64", "loss=1.0 if step < 150 else 0.0"),
        settings={"steps": 200, "every": 50},
    )
    assert tiny.carry(code=0).status == "completed"


def test_one_that_ignores_sigterm_is_killed_with_its_children(training):
    script = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import signal, time\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\ntime.sleep(600)", os.environ["GOAP_RUN_DIR"]])
open(os.path.join(os.environ["GOAP_RUN_DIR"], "metrics.jsonl"), "w").write('{"step": 1}\\n')
time.sleep(600)
"""
    tiny = training(script, settings={}, words=())
    runner = tiny.start("--grace", "1")
    wait_for((tiny.layout.path / "metrics.jsonl").exists)
    runner.terminate()
    runner.communicate(timeout=60)
    assert runner.returncode == 75
    assert tiny.ending.failure.name == "interrupted"
    assert "was killed: it did not stop" in tiny.ending.failure.message
    assert alive(tiny.root) == []


def test_one_that_finds_no_room_to_write(training):
    script = broken_after("raise OSError(28, 'No space left on device')")
    ending = ended_badly(training(script), "disk_full", FailureClass.RESOURCE, code=3)
    assert ending.checkpoint.step == 10


@pytest.mark.parametrize(
    "code",
    [
        "raise MemoryError",
        "raise RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB')",
        "import os; os._exit(137)",
        "import os; os.kill(os.getpid(), 9)",
    ],
)
def test_one_that_runs_out_of_memory(training, code):
    ending = ended_badly(
        training(broken_after(code)), "out_of_memory", FailureClass.RESOURCE, code=3
    )
    assert ending.checkpoint.step == 10


def test_one_that_forks_children_away_and_dies(training):
    fork = (
        "import os, subprocess, sys; "
        "[subprocess.Popen([sys.executable, '-c', 'import os, time; os.fork(); time.sleep(600)',"
        " str(run.directory)], start_new_session=True) for _ in range(3)]; os._exit(3)"
    )
    ended_badly(training(broken_after(fork)), "exit_3", FailureClass.UNKNOWN)


def test_children_that_outlive_a_script_that_ended_well_are_ended_too(training):
    script = EXACT + (
        "import subprocess\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)',"
        " str(run.directory)], start_new_session=True)\n"
    )
    tiny = training(script)
    assert tiny.carry(code=0).status == "completed"
    assert alive(tiny.root) == []


def test_one_that_ends_well_without_a_result(training):
    tiny = training("print('nothing')", settings={}, words=())
    ending = ended_badly(tiny, "no_result", FailureClass.PERMANENT)
    assert "run.finish" in ending.failure.fix


def test_one_that_ends_early_and_saved_is_interrupted(training):
    tiny = training(broken_after("sys.exit(0)"))
    ending = tiny.carry(code=75)
    assert (ending.status, ending.failure.name) == ("interrupted", "interrupted")
    assert ending.checkpoint.step == 10


@pytest.mark.parametrize(
    ("code", "name", "failure_class"),
    [
        ("import nowhere_to_be_found", "image_incomplete", FailureClass.PERMANENT),
        ("raise ValueError('a wrong value')", "exit_1", FailureClass.UNKNOWN),
        ("import os; os.kill(os.getpid(), 11)", "killed_SIGSEGV", FailureClass.UNKNOWN),
        ("sys.exit(42)", "exit_42", FailureClass.UNKNOWN),
    ],
)
def test_other_ends_have_names_too(training, code, name, failure_class):
    ending = ended_badly(training(broken_after(code)), name, failure_class)
    assert ending.checkpoint.step == 10


def test_an_exit_code_that_is_declared_to_pass_is_transient(training):
    tiny = training(broken_after("sys.exit(42)"), retry_exit_codes=(42,))
    ended_badly(tiny, "exit_42", FailureClass.TRANSIENT)


def test_a_command_that_is_not_there(training):
    tiny = training("", (), ("no-such-program",), {})
    ended_badly(tiny, "image_incomplete", FailureClass.PERMANENT)


def test_a_script_knows_its_failure_better_than_an_exit_code(training):
    code = "run.fail('bad_data', 'permanent', 'row 7 is empty'); sys.exit(1)"
    tiny = training(broken_after(code))
    ending = ended_badly(tiny, "bad_data", FailureClass.PERMANENT)
    assert ending.failure.message == "row 7 is empty"
    # and what it said of one attempt says nothing of the next
    tiny.ordered()
    tiny.carry()
    assert tiny.ending.attempts == 2


def test_a_result_counts_when_the_script_stumbles_after_it(training):
    assert training(EXACT + "sys.exit(9)").carry(code=0).status == "completed"


def test_a_full_volume_is_named_and_keeps_what_was_saved(training, tmp_path):
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("making a small volume takes root")
    script = broken_after("open(run.directory / 'large', 'wb').write(bytes(64 << 20))")
    tiny = training(script)
    small = tiny.root.with_name("small")
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        shutil.copytree(tiny.root, small, dirs_exist_ok=True)
        tiny.root = small
        ending = tiny.carry(code=3)
        assert ending.failure.name == "disk_full"
        assert tiny.steps == [5, 10]
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def wait_for(condition, seconds=60.0):
    """Return when a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_last_words_of_a_failed_script_are_in_its_verdict(training):
    tiny = training("import sys\nprint('first')\nsys.exit('the reason')", settings={}, words=())
    ending = tiny.carry(code=1)
    assert ending.log_tail == ("first", "the reason")
    assert json.loads(tiny.layout.verdict_path.read_text())["log_tail"] == ["first", "the reason"]
