"""A stranger's folder: a script, a job of a few lines, a pyproject.toml; and `goap` in it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.__main__ import ROOT as COMPOSITION
from agents.cli.main import invoke
from agents.ledger.store import Ledger
from training.store.lock import is_held

ROOT = Path(__file__).parents[2]

SCRIPT = '''
"""Counts, and remembers what it counted: a model of one number, exact to the last step."""

import json
import os
import sys
from pathlib import Path

from training.contract import run

state = 1
checkpoint = run.resume()
if checkpoint:
    state = json.loads((checkpoint / "state.json").read_text())["state"]
elif os.environ.get("GOAP_INIT"):
    state = json.loads((Path(os.environ["GOAP_INIT"]) / "state.json").read_text())["state"]
steps, lr = run.settings["steps"], run.settings["lr"]
exec((Path(__file__).parent / "trouble.py").read_text())
for step in run.steps(run.step, steps):
    state = (state * 31 + step) % 9973
    run.log(step, loss=trouble(step, 1.0 / step, lr))
    if run.save_due(step, every=5):
        with run.checkpoint(step) as directory:
            (directory / "state.json").write_text(json.dumps({"state": state}))
run.finish(val_loss=lr * 10, state=state)
'''

TROUBLE = """
def trouble(step, loss, lr):
    return loss
"""

JOB = """
from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Keep, Training


class Settings(BaseModel):
    steps: int = Field(30, ge=1, description="steps")
    lr: float = Field(0.01, gt=0, description="learning rate")


counter = Training(
    "counter",
    settings=Settings,
    command="python train.py",
    source=["train.py", "trouble.py"],
    gates=[Gate("val_loss", "<=", 1.0)],
    keep=Keep(last=2),
)
CATALOGUE = toolkit(counter)
"""


@dataclass
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def data(self):
        return json.loads(self.out)["data"]

    @property
    def error(self):
        return json.loads(self.out)["error"]


class Pause:
    """Where a script waits; opening it returns when the script is there."""

    def __init__(self, pipe: Path) -> None:
        self._pipe = pipe

    def __enter__(self) -> None:
        self._writer = self._pipe.open("w")

    def __exit__(self, *_: object) -> None:
        self._writer.close()


class Desk:
    """A folder with a job in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.processes: list[subprocess.Popen[str]] = []
        self.write("train.py", SCRIPT)
        self.write("trouble.py", TROUBLE)
        self.write("job.py", JOB)
        self.write("pyproject.toml", '[tool.goap]\ncatalogue = "job:CATALOGUE"\n')

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"), encoding="utf-8")
        return path

    def change(self, name: str, before: str, after: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert before in text
        self.write(name, text.replace(before, after))

    def goap(self, *words: str) -> Answer:
        """A command in this process, which imports the job anew."""
        self.forget()
        self._capsys.readouterr()
        code = invoke(COMPOSITION, words)
        printed = self._capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    def run(self, *words: str, code: int = 0) -> Answer:
        """``goap run … --json`` of the counter, or of another goal."""
        goal = () if any(word.startswith("goal=") for word in words) else ("goal=counter_trained",)
        answer = self.goap("run", *goal, *words, "--json")
        assert answer.code == code, answer.out + answer.err
        return answer

    def pause_at(self, step: int) -> "Pause":
        """Let the first attempt wait at a step until the test lets go of it."""
        pipe = self.folder.parent / "pause"
        os.mkfifo(pipe)
        self.write(
            "trouble.py",
            f"""
def trouble(step, loss, lr):
    if step == {step} and not checkpoint_at_start:
        open({str(pipe)!r}).read()
    return loss
checkpoint_at_start = checkpoint
""",
        )
        return Pause(pipe)

    def started_process(self, *words: str) -> "subprocess.Popen[str]":
        """``goap`` in a process of its own, as a terminal starts it."""
        process = subprocess.Popen(
            [sys.executable, "-P", str(ROOT / "goap_start.py"), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def forget(self) -> None:
        """Forget what was imported from the folder."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                del sys.modules[name]

    @property
    def volume(self) -> Path:
        return self.folder / ".goap" / "volume"

    def trainings(self) -> list[Path]:
        return sorted((self.volume / "trainings").iterdir())

    def training(self) -> Path:
        (only,) = self.trainings()
        return only

    def verdict(self) -> dict:
        return json.loads((self.training() / "verdict.json").read_text(encoding="utf-8"))

    def events(self, *types: str) -> list:
        with Ledger(self.folder / ".goap" / "ledger.db", readonly=True) as ledger:
            return ledger.events(types=types)

    def started(self) -> list[str]:
        """The actions that were started, in order, in all runs."""
        return [event.data["action"] for event in self.events("step.started")]


@pytest.fixture
def desk(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "job"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("GOAP_CATALOGUE", "GOAP_PYTHON", "AGENTS_STATE"):
        monkeypatch.delenv(name, raising=False)
    path = list(sys.path)
    desk = Desk(folder, capsys)
    yield desk
    desk.forget()
    sys.path[:] = path
    for process in desk.processes:
        process.kill()
        process.communicate()
    for training in desk.trainings() if (desk.volume / "trainings").is_dir() else ():
        if is_held(training / "lock"):
            os.kill(json.loads((training / "owner.json").read_text())["pid"], signal.SIGKILL)
