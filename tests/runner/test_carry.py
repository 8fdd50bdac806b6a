"""A runner carries a script from its order to a verdict."""

import json
import math
import shutil
import subprocess
import sys

import pytest

from tests.runner.conftest import EXACT, ROOT, lines_of
from training.errors import CheckpointError
from training.runner.account import total_seconds
from training.runner.checkpoints import Store
from training.runner.gates import Gate
from training.runner.keep import Keep
from training.runner.order import Checkpoints, Metrics, Results
from training.store.directory import TrainingDirectory
from training.store.distant import DistantStore
from training.store.volume import LocalVolume

SAVES_EACH_STEP = EXACT.replace("run.save_due(step, every=every)", "run.save_due(step, every=1)")


def test_the_runner_imports_the_standard_library_alone():
    program = (
        "import sys, training.runner.__main__, training.contract\n"
        "ours = {n for n in sys.modules if n.partition('.')[0] == 'training'}\n"
        "tops = {n.partition('.')[0] for n in sys.modules} - {'training', '__main__'}\n"
        "print(sorted(t for t in tops - set(sys.stdlib_module_names) if t[0] != '_'))\n"
    )
    words = [sys.executable, "-S", "-c", program]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_script_is_carried_to_its_end(training):
    tiny = training(gates=(Gate("loss", "<=", 2.0), Gate("state", ">=", 0)))
    ending = tiny.carry(code=0)
    assert (ending.status, ending.step, ending.target_step) == ("completed", 20, 20)
    assert [gate.passed for gate in ending.gates] == [True, True]
    assert ending.checkpoint.step == 20
    assert ending.attempts == 1
    assert ending.seconds == pytest.approx(total_seconds(tiny.uses))
    assert [use.state for use in tiny.uses] == ["started", "ended"]
    assert tiny.log.splitlines()[-1].endswith("Training completed at step 20/20")


def test_a_finished_training_is_not_carried_again(training):
    tiny = training()
    first = tiny.carry(code=0)
    assert tiny.carry(code=0) == first


def test_a_gate_that_fails_is_said_and_is_the_exit_code(training):
    tiny = training(gates=(Gate("loss", "<=", 0.5, name="good"),))
    ending = tiny.carry(code=1)
    assert ending.status == "completed"
    assert not ending.passed
    assert "Gate good FAILED" in tiny.log


def test_a_gate_may_name_another_measurement_and_one_that_is_missing_does_not_pass(training):
    tiny = training(gates=(Gate("state", ">=", "loss"), Gate("nowhere", "<=", 1.0)))
    passed, missing = tiny.carry(code=1).gates
    assert passed.passed
    assert passed.threshold > 1
    assert math.isnan(missing.value)
    assert not missing.passed


def test_17_checkpoints_that_are_not_kept_go_and_the_best_stays(training):
    script = SAVES_EACH_STEP.replace("loss=1 + state / 2**64", "loss=abs(step - 7) + 1")
    tiny = training(script, keep=Keep(last=2, best="loss", every=10))
    tiny.carry(code=0)
    assert tiny.steps == [7, 10, 19, 20]
    assert "Deleted checkpoint of step 18" in tiny.log


def test_a_pinned_checkpoint_stays(training):
    tiny = training(SAVES_EACH_STEP, keep=Keep(last=1))
    tiny.layout.pins_path.parent.mkdir(parents=True)
    tiny.layout.pins_path.write_text('{"steps": [3]}')
    tiny.carry(code=0)
    assert tiny.steps == [3, 20]


def test_a_deadline_ends_it_as_interrupted_and_the_next_attempt_goes_on(training):
    slow = "import time\n" + EXACT.replace(
        "    run.log(step", "    time.sleep(0.05)\n    run.log(step"
    )
    tiny = training(slow, settings={"steps": 100, "every": 50})
    ending = tiny.carry("--deadline", "1", code=75)
    assert ending.failure.name == "interrupted"
    assert "deadline" in ending.failure.message
    assert 0 < ending.step < 100
    assert tiny.steps == [ending.step]
    whole = tiny.carry(code=0)
    assert whole.attempts == 2
    assert f"Resuming at step {ending.step} of 100" in tiny.log
    assert whole.seconds > ending.seconds
    assert [row["step"] for row in lines_of(tiny)] == list(range(1, 101))


def test_settings_placeholders_and_the_environment_reach_the_script(training):
    script = """
import json, os, pathlib, sys
run = pathlib.Path(os.environ["GOAP_RUN_DIR"])
seen = {"words": sys.argv[1:], "here": os.getcwd(), "key": os.environ["GOAP_KEY"],
        "settings": json.load(open(os.environ["GOAP_SETTINGS"])),
        "resume": os.environ["GOAP_RESUME"], "data": os.environ["GOAP_DATA_DIR"]}
(run / "seen.json").write_text(json.dumps(seen))
(run / "result.json").write_text('{"step": 1, "kind": "words"}')
"""
    words = ("--dir={run_dir}", "--resume", "{resume}", "--from={resume}", "--name", "{name}")
    settings = {"name": "a b {c}", "deep": {"x": [1]}}
    tiny = training(script, (*words, "{{x}}", "{on}"), settings={**settings, "on": True})
    ending = tiny.carry(code=0)
    seen = json.loads((tiny.layout.path / "seen.json").read_text())
    assert seen["words"] == [
        f"--dir={tiny.layout.path}", "--name", "a b {c}", "{x}", "true"
    ]  # fmt: skip
    assert seen["settings"] == {**settings, "on": True}
    assert (seen["key"], seen["resume"], seen["data"]) == (tiny.order.key, "", "")
    assert ending.about == {"kind": "words"}
    assert not str(seen["here"]).startswith(str(tiny.root))


def test_a_shell_gets_one_text_with_quoted_values(training):
    text = "echo {name} > $GOAP_RUN_DIR/said; echo '{{}}' > $GOAP_RUN_DIR/result.json"
    settings = {"name": "a; touch hurt"}
    tiny = training("", (), ("true", "unused"), settings).ordered(command=(text,), shell=True)  # noqa: S604 - it is what is tested
    tiny.carry(code=0)
    assert (tiny.layout.path / "said").read_text() == "a; touch hurt\n"


def test_a_script_that_knows_nothing_of_us_is_read_where_its_declaration_says(training):
    script = """
import json, pathlib, sys
out, steps, resume = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
state = pathlib.Path(resume[1]) / "trainer_state.json" if resume else None
first = json.loads(state.read_text())["s"] if state else 0
for step in range(first + 1, steps + 1):
    print(f"step {step}: loss={1 / step:.4f} lr=1e-3", flush=True)
    if step % 5 == 0:
        where = out / f"checkpoint-{step}"
        (where / "deep").mkdir(parents=True, exist_ok=True)
        (where / "deep" / "weights.bin").write_bytes(bytes([step]))
        (where / "trainer_state.json").write_text(json.dumps({"s": step}))
if steps == 20:
    (out / "all_results.json").write_text(json.dumps({"eval": {"loss": 0.25}, "steps": steps}))
else:
    sys.exit(143)
"""
    tiny = training(
        script,
        ("{run_dir}", "{steps}", "--resume", "{resume}"),
        settings={"steps": 20},
        checkpoints=Checkpoints("checkpoint-*", "trainer_state.json"),
        metrics=Metrics(log=r"step (?P<step>\d+): loss=(?P<loss>\S+) lr=(?P<lr>\S+)"),
        result=Results("all_results.json", {"val_loss": "eval.loss", "step": "steps"}),
        gates=(Gate("val_loss", "<=", 0.3),),
        keep=Keep(last=2),
    )
    ending = tiny.carry(code=0)
    assert ending.numbers == {
        "loss": 0.05, "lr": 0.001, "val_loss": 0.25, "loss_first": 1.0, "loss_final": 0.05
    }  # fmt: skip
    rows = lines_of(tiny)
    assert [row["step"] for row in rows] == list(range(1, 21))
    assert (rows[-1]["loss"], rows[-1]["lr"]) == (0.05, 0.001)
    assert tiny.steps == [15, 20]
    assert tiny.checkpoints[-1].metrics["loss"] == 0.05
    assert set(tiny.checkpoints[-1].files) == {"deep/weights.bin", "trainer_state.json"}


def test_rows_that_were_printed_are_kept_over_attempts(training):
    script = """
import os, pathlib, sys
run, resume = pathlib.Path(os.environ["GOAP_RUN_DIR"]), os.environ["GOAP_RESUME"]
first = 5 if resume else 0
for step in range(first + 1, first + 6):
    print(f"step {step} loss {10 - step}", flush=True)
(run / "checkpoints").mkdir(exist_ok=True)
(run / f"checkpoints/step-{step}").mkdir()
(run / f"checkpoints/step-{step}" / "state").write_text("x")
if resume:
    (run / "result.json").write_text('{"step": 10}')
"""
    log = r"step (?P<step>\d+) loss (?P<loss>\S+)"
    tiny = training(script, (), settings={}, metrics=Metrics(log=log))
    tiny.carry(code=75)
    ending = tiny.carry(code=0)
    assert [row["step"] for row in lines_of(tiny)] == list(range(1, 11))
    assert (ending.numbers["loss_first"], ending.numbers["loss_final"]) == (9.0, 0.0)


def test_rows_of_a_table_are_read_under_the_names_that_the_declaration_gives(training):
    script = """
import os, pathlib
run = pathlib.Path(os.environ["GOAP_RUN_DIR"])
with open(run / "progress.csv", "w") as file:
    file.write("epoch,train/loss,note\\n1,2.5,a\\n2,1.5,b\\n")
(run / "result.json").write_text("{}")
"""
    columns = {"step": "epoch", "loss": "train/loss"}
    tiny = training(script, settings={}, words=(), metrics=Metrics("progress.csv", "", columns))
    ending = tiny.carry(code=0)
    assert (ending.step, ending.numbers["loss_first"], ending.numbers["loss"]) == (2, 2.5, 1.5)


def test_a_script_that_writes_beside_its_source_changes_nothing_of_the_next_attempt(training):
    script = "open('train.py', 'a').write('broken(')\nopen('more', 'w').write('x')\n" + EXACT
    tiny = training(script)
    tiny.carry(code=0)
    tiny.layout.verdict_path.unlink()
    assert tiny.carry(code=0).status == "completed"


def test_a_staged_source_that_was_changed_is_refused(training):
    tiny = training()
    tiny.stage("train.py", EXACT + "# changed")
    ending = tiny.carry(code=1)
    assert ending.failure.name == "source_differs"
    assert "rm -r" in ending.failure.fix


def test_a_checkpoint_of_another_training_is_passed_over_by_name(training, tmp_path):
    tiny = training(settings={"steps": 20, "every": 5})
    other = training(settings={"steps": 30, "every": 5})
    other.carry(code=0)
    there = tiny.layout.path / "checkpoints" / "step-00000030"
    shutil.copytree(other.layout.path / "checkpoints" / "step-00000030", there)
    ending = tiny.carry(code=0)
    assert ending.step == 20
    assert f"step-00000030 is passed over: it is of training {other.order.key}" in tiny.log
    assert "Starting at step 0" in tiny.log


@pytest.mark.parametrize("how", ["flipped", "missing", "grown", "manifest", "renamed"])
def test_a_damaged_checkpoint_is_passed_over_and_the_one_before_is_used(training, how):
    tiny = training(keep=Keep(last=9))
    whole = tiny.carry(code=0)
    newest = tiny.checkpoints[-1].path
    state = newest / "state.json"
    if how == "flipped":
        state.write_text(state.read_text()[::-1])
    elif how == "missing":
        state.unlink()
    elif how == "grown":
        state.write_text(state.read_text() + " ")
    elif how == "manifest":
        text = (newest / "goap-manifest.json").read_text()
        (newest / "goap-manifest.json").write_text(text.replace('"step": 20', '"step": 21'))
    else:
        newest.rename(newest.with_name("step-00000021"))
    tiny.layout.verdict_path.unlink()
    (tiny.layout.path / "result.json").unlink()
    again = tiny.carry(code=0)
    assert "Resuming at step 15 of 20" in tiny.log
    assert "is passed over: " in tiny.log
    assert again.numbers["state"] == whole.numbers["state"]


def test_what_was_asked_stands_at_the_beginning_of_the_log(training):
    tiny = training("print('hello from the script')\n" + EXACT)
    tiny.carry(code=0)
    lines = tiny.log.splitlines()
    assert f"Training tiny {tiny.order.key}, attempt 1" in lines[0]
    assert "Settings: every=5 steps=20" in lines[1]
    assert "hello from the script" in lines
    assert any("Saved checkpoint at step 5 (loss=" in line for line in lines)
    assert any("Checkpoint committed to volume" in line for line in lines)


def test_an_adjusted_micro_batch_and_rate_reach_the_script_and_no_key(training):
    script = """
import os, pathlib, sys
run = pathlib.Path(os.environ["GOAP_RUN_DIR"])
(run / "said").write_text(" ".join(sys.argv[1:]))
(run / "result.json").write_text("{}")
"""
    tiny = training(
        script,
        ("{batch}", "{lr}"),
        settings={"batch": 64, "lr": 0.5},
        micro_batch="batch",
        learning_rate="lr",
    )
    adjusted = {"format": 2, "micro_batch": 16, "learning_rate_scale": 0.5, "after_attempt": 1}
    tiny.layout.adjustments_path.write_text(json.dumps(adjusted))
    tiny.carry(code=0)
    assert (tiny.layout.path / "said").read_text() == "16 0.25"


class Elsewhere(LocalVolume):
    """A volume that is not on this machine, as far as anybody can see."""

    local_root = None


def test_through_a_volume_that_is_elsewhere_the_same_stays_as_here(training):
    tiny = training(keep=Keep(last=9))
    tiny.carry(code=0)
    elsewhere = Elsewhere(tiny.root)
    policy, directory = Keep(last=1, every=10), TrainingDirectory(elsewhere, tiny.order.key)
    distant = DistantStore(directory, tiny.order)
    tiny.layout.pins_path.write_text('{"steps": [5]}', encoding="utf-8")
    (tiny.layout.path / "checkpoints" / "step-00000007").mkdir()  # nobody sealed it
    here = [each.step for each in Store(tiny.order, tiny.layout).surplus(policy)]
    assert [each.step for each in distant.surplus(policy)] == here == [15]
    assert [each.step for each in distant.prune(policy)] == [15]
    assert tiny.steps == [5, 10, 20]
    tiny.layout.pins_path.write_text("torn", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"pinned.json cannot be read"):
        distant.prune(Keep(last=1))
    assert tiny.steps == [5, 10, 20]
