"""The same answers through the other doors: MCP, logs, stop, and a script in another language."""

import json
import signal
from pathlib import Path

import pytest

from agents.__main__ import load_catalogue
from agents.mcp.tools import Toolkit

GOAL = "goal=counter_trained"


def test_logs_show_what_the_script_said_and_stop_ends_it(desk):
    desk.change("train.py", "steps, lr =", "print('kneading')\nsteps, lr =")
    pause = desk.pause_at(12)
    first = desk.started_process("run", GOAL)
    with pause:
        first.send_signal(signal.SIGINT)
        first.communicate()
        stopped = desk.goap("stop", desk.training().name)
        assert stopped.code == 0, stopped.err
    logs = desk.goap("logs", desk.training().name)
    assert "kneading" in logs.out
    assert "Starting at step 0 of 30" in logs.out


BASH = """
#!/bin/sh
step=0
if [ -n "$GOAP_RESUME" ]; then read -r step < "$GOAP_RESUME/state"; fi
mkdir -p "$GOAP_RUN_DIR/checkpoints"
while [ "$step" -lt "$1" ]; do
    step=$((step + 1))
    echo "{\\"step\\": $step, \\"loss\\": 0.$step}" >> "$GOAP_RUN_DIR/metrics.jsonl"
    new="$GOAP_RUN_DIR/checkpoints/.tmp-$step"
    mkdir "$new" && echo "$step" > "$new/state"
    mv "$new" "$GOAP_RUN_DIR/checkpoints/step-$step"
done
echo "{\\"step\\": $step, \\"crumbs\\": 3}" > "$GOAP_RUN_DIR/result.json"
"""

SHELL_JOB = """
from pydantic import BaseModel

from actions import toolkit
from training import Gate, Keep, Training


class Settings(BaseModel):
    steps: int = 4


toast = Training(
    "toast",
    settings=Settings,
    command="sh toast.sh {steps}",
    source=["toast.sh"],
    gates=[Gate("crumbs", "<=", 5)],
    keep=Keep(last=1),
)
CATALOGUE = toolkit(toast)
"""


def test_a_script_of_the_shell_is_a_training_like_any_other(desk):
    desk.write("job.py", SHELL_JOB)
    desk.write("toast.sh", BASH)
    assert desk.run("goal=toast_trained").data["status"] == "done"
    assert desk.verdict()["step"] == 4
    assert [path.name for path in desk.training().glob("checkpoints/step-*")] == ["step-4"]
    assert desk.run("goal=toast_trained").data["status"] == "nothing to do"


FOREIGN = """
import argparse
import json
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--output-dir", type=Path, required=True)
parser.add_argument("--resume-from", default="")
parser.add_argument("--max-steps", type=int)
options = parser.parse_args()
begin = int(options.resume_from.rpartition("-")[2]) if options.resume_from else 0
for step in range(begin + 1, options.max_steps + 1):
    print(f"{{'step': {step}, 'train loss': {1 / step}}}")
    if step % 2 == 0:
        folder = options.output_dir / f"checkpoint-{step}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights").write_text(str(step))
        (folder / "trainer_state.json").write_text("{}")
(options.output_dir / "all_results.json").write_text(json.dumps({"eval": {"loss": 0.5}}))
"""

FOREIGN_JOB = r"""
from pydantic import BaseModel

from actions import toolkit
from training import Gate, Keep, Metrics, Results, Training


class Settings(BaseModel):
    max_steps: int = 8


stranger = Training(
    "stranger",
    settings=Settings,
    command="python stranger.py --output-dir {run_dir} --max-steps {max_steps} "
    "--resume-from {resume}",
    source=["stranger.py"],
    target="max_steps",
    checkpoints="checkpoint-*",
    complete="trainer_state.json",
    metrics=Metrics(log=r"'step': (?P<step>\d+), 'train loss': (?P<loss>[\d.]+)"),
    result=Results("all_results.json", {"eval_loss": "eval.loss"}),
    gates=[Gate("eval_loss", "<=", 1.0)],
    keep=Keep(last=2, best="loss"),
)
CATALOGUE = toolkit(stranger)
"""


def test_a_script_that_knows_nothing_of_us_says_in_its_declaration_where_its_things_are(desk):
    desk.write("job.py", FOREIGN_JOB)
    desk.write("stranger.py", FOREIGN)
    assert desk.run("goal=stranger_trained").data["status"] == "done"
    numbers = desk.verdict()["numbers"]
    assert (numbers["eval_loss"], numbers["loss_final"]) == (0.5, pytest.approx(1 / 8))
    kept = {path.name for path in desk.training().glob("checkpoint-*")}
    assert kept == {"checkpoint-6", "checkpoint-8"}
    (adr,) = (desk.folder / "plans").glob("ADR-*.md")
    assert "eval_loss" in adr.read_text("utf-8")
    assert desk.run("goal=stranger_trained").data["status"] == "nothing to do"


def test_an_agent_is_told_the_same_over_mcp(desk):
    told = Toolkit(load_catalogue, Path(".goap")).plan("counter_trained", {"steps": 20})
    said = desk.goap("plan", GOAL, "steps=20", "--json").data
    for each in (told, said):
        each["facts"] = [fact for fact in each["facts"] if fact["name"] != "free_mb"]
    assert told == said
    schema = json.loads(desk.goap("schema", "goal-counter_trained").out)
    assert set(schema["properties"]) >= {"steps", "lr", "compute", "volume", "slice_seconds"}
