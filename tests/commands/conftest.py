"""A folder with a volume and a ledger, and a training that is a process as little as can be."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agents.__main__ import ROOT as COMPOSITION
from agents.cli.main import invoke
from agents.ledger.events import new_event
from agents.ledger.payloads import RunFinished, RunStarted, StepNoted
from agents.ledger.store import Ledger
from training.store.directory import TrainingDirectory

ROOT = Path(__file__).parents[2]
KEY, OTHER = "a1" * 8, "b2" * 8

TRAINS = """
import fcntl, json, os, signal, sys
folder = sys.argv[1]
lock = open(f"{folder}/lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
with open(f"{folder}/owner.json", "w") as owner:
    json.dump({"pid": os.getpid()}, owner)
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(0)))
print("step 1", flush=True)
for line in sys.stdin:  # what the test types is what it logs
    print(line, end="", flush=True)
"""


@dataclass
class Desk:
    """A folder to work in."""

    folder: Path
    start: Callable[..., "subprocess.Popen[str]"]
    read: Callable[[], object]

    @property
    def state(self) -> Path:
        return self.folder / ".goap"

    def directory(self, key: str = KEY, volume: str = "") -> TrainingDirectory:
        root = Path(volume) if volume else self.state / "volume"
        directory = TrainingDirectory.local(root, key)
        directory.path.mkdir(parents=True, exist_ok=True)
        return directory

    def log(self, text: str, key: str = KEY, volume: str = "") -> Path:
        """Add to the log of a training."""
        path = self.directory(key, volume).log_path
        with path.open("ab") as log:
            log.write(text.encode())
        return path

    def run(self, name: str, *keys: str, ended: bool = True, **params: str) -> None:
        """Write down a run that launched these trainings."""
        said = [RunStarted(goal="g", what={"compute": "local", **params}, pid=1)]
        said += [
            StepNoted(step="train", action="train", about={"training": key, "launch": "launched"})
            for key in keys
        ]
        said += [RunFinished(status="done", exit_code=0)] if ended else []
        with Ledger(self.state / "ledger.db") as ledger:
            for payload in said:
                ledger.append(new_event(payload, run=name))

    def trains(self, key: str = KEY) -> "subprocess.Popen[str]":
        """Start a training that logs what it is told."""
        directory = self.directory(key)
        with directory.log_path.open("ab") as log:
            training = self.start(
                [sys.executable, "-c", TRAINS, str(directory.path)],
                stdin=subprocess.PIPE,
                stdout=log,
                text=True,
            )
        while b"step 1" not in directory.log_path.read_bytes():
            assert training.poll() is None
        return training

    def goap(self, *words: str, code: int = 0):
        """A command in this process, in this folder."""
        assert invoke(COMPOSITION, words) == code
        return self.read()

    def begins(self, *words: str) -> "subprocess.Popen[str]":
        """A command in a process of its own."""
        return self.start(
            [sys.executable, "-P", str(ROOT / "goap_start.py"), *words],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


@pytest.fixture
def desk(tmp_path, monkeypatch, capsys, processes):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOAP_CATALOGUE", raising=False)
    monkeypatch.delenv("AGENTS_STATE", raising=False)
    return Desk(tmp_path, processes, capsys.readouterr)
