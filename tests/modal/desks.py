"""A stranger's folder with a script, a job and a control plane of its own; commands run in it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import FREE, ROOT
from programs import Ended, goap, path_with

from training.compute.loopback.client import ControlPlane, ensure

SCRIPT = """
import json, time
from pathlib import Path
from training.contract import run

checkpoint = run.resume()
state = json.loads((checkpoint / "state.json").read_text()) if checkpoint else 1
for step in run.steps(run.step, run.settings["steps"]):
    state = (state * 31 + step) % 9973
    run.log(step, loss=1.0 / step)
    if run.save_due(step, every=5):
        with run.checkpoint(step) as directory:
            (directory / "state.json").write_text(json.dumps(state))
    while run.settings["waits"] and step == 6 and not Path(run.settings["waits"]).exists():
        time.sleep(0.02)
    time.sleep(run.settings["nap"])
run.finish(val_loss=run.settings["lr"] * 10, state=state)
"""
"""Counts, exact to the last step; may wait at its sixth for a file."""

JOB = """
from pydantic import BaseModel, Field
from actions import toolkit
from training import Gate, Keep, Training

class Settings(BaseModel):
    steps: int = Field(10, ge=1, description="steps")
    lr: float = Field(0.01, gt=0, description="learning rate")
    nap: float = 0.0
    waits: str = ""

counter = Training(
    "counter", settings=Settings, command="python train.py", source=["train.py"],
    gates=[Gate("val_loss", "<=", 1.0)], target="steps", keep=Keep(last=2),
)
CATALOGUE = toolkit(counter)
"""


def counted(steps: int) -> int:
    """What the script comes to when it loses nothing."""
    state = 1
    for step in range(1, steps + 1):
        state = (state * 31 + step) % 9973
    return state


def furnish(folder: Path) -> Path:
    """Write the script and its job into a folder."""
    (folder / "train.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "job.py").write_text(JOB, encoding="utf-8")
    text = '[tool.goap]\ncatalogue = "job:CATALOGUE"\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


@dataclass
class Desk:
    """A folder, its control plane, and how a process is started in it."""

    folder: Path
    plane: ControlPlane
    processes: Any

    @classmethod
    def at(cls, folder: Path, processes: Any) -> "Desk":
        plane = ensure(folder / ".goap" / "loopback")
        plane.do("rates", **FREE)
        return cls(furnish(folder), plane, processes)

    def goap(self, *words: str, **given: str) -> Ended:
        """A command that is waited for."""
        return goap(None, self.folder, *words, **given)

    def start(self, *words: str, **given: str) -> "subprocess.Popen[str]":
        """A command that is not."""
        started: subprocess.Popen[str] = self.processes(
            [sys.executable, "-m", "agents", *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path_with(ROOT), **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return started

    def calls(self) -> list[dict[str, Any]]:
        """Those that train."""
        found = self.plane.do("state")["calls"]
        return [each for each in found if each["function"] == "carry"]

    def events(self, *types: str) -> list[dict[str, Any]]:
        """What the last run wrote into the ledger."""
        shown = json.loads(self.goap("show", "last", "--events", "--json").out)["data"]
        found = [] if shown is None else shown["events"]  # the run may not have begun
        return [each["data"] for each in found if not types or each["type"] in types]

    def launches(self) -> list[str]:
        """What the last run noted of its launches."""
        abouts = [each["about"] for each in self.events("step.noted")]
        return [about["launch"] for about in abouts if "launch" in about]
