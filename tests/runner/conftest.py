"""Trainings of tiny scripts, carried by the real runner in a process of its own."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from training.key import KeyParts, digest_of_files, training_key
from training.runner.account import Use, uses_of
from training.runner.checkpoints import Store
from training.runner.ending import Ending
from training.runner.order import Order
from training.runner.sealed import Checkpoint
from training.store.layout import LocalLayout

ROOT = Path(__file__).parents[2]

EXACT = """
import json, sys
from training.contract import run

total, every = int(sys.argv[1]), int(sys.argv[2])
checkpoint = run.resume()
state = json.loads((checkpoint / "state.json").read_text()) if checkpoint else 1
for step in run.steps(run.step, total):
    state = (state * 6364136223846793005 + step) % 2**64
    run.log(step, loss=1 + state / 2**64)
    if run.save_due(step, every=every):
        with run.checkpoint(step) as directory:
            (directory / "state.json").write_text(json.dumps(state))
run.finish(state=state % 1000003)
"""
"""A script whose result depends on every step: who loses or repeats one has another."""


@dataclass
class Carried:
    """One training and what became of it."""

    root: Path
    order: Order
    processes: Any
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def layout(self) -> LocalLayout:
        return LocalLayout(self.root, self.order.key)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """The runner, in a process of its own."""
        command = [sys.executable, "-m", "training.runner", "--volume", str(self.root)]
        return self.processes(
            [*command, "--key", self.order.key, "--contract", str(ROOT), *words],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def carry(self, *words: str, code: int | None = None) -> Ending:
        """Run it to the end of an attempt."""
        runner = self.start(*words)
        said, _ = runner.communicate(timeout=120)
        if code is not None:
            assert runner.returncode == code, said + self.log
        assert self.layout.verdict_path.exists(), said + self.log
        return self.ending

    @property
    def ending(self) -> Ending:
        return Ending.from_json(self.layout.verdict_path.read_bytes())

    @property
    def log(self) -> str:
        path = self.layout.log_path
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def uses(self) -> list[Use]:
        return uses_of(self.layout.account_path.read_bytes())

    @property
    def checkpoints(self) -> list[Checkpoint]:
        return Store(self.order, self.layout).entries()

    @property
    def steps(self) -> list[int]:
        return [each.step for each in self.checkpoints]

    def ordered(self, **changes: Any) -> "Carried":
        """The same training with another policy, which changes no key."""
        self.order = dataclasses.replace(self.order, **changes)
        self.layout.spec_path.write_text(self.order.to_json(), encoding="utf-8")
        return self

    def stage(self, name: str, text: str) -> None:
        path = self.layout.source_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def training(tmp_path, processes):
    """Makes a training of a script; its words follow the name of the script."""

    def training(
        script: str = EXACT,
        words: tuple[str, ...] = ("{steps}", "{every}"),
        program: tuple[str, ...] = (sys.executable, "train.py"),
        settings: dict[str, Any] | None = None,
        **declared: Any,
    ) -> Carried:
        scratch = tmp_path / "written"
        (scratch / program[-1]).parent.mkdir(parents=True, exist_ok=True)
        (scratch / program[-1]).write_text(script, encoding="utf-8")
        values = {"steps": 20, "every": 5} if settings is None else settings
        parts = KeyParts(
            command=(*program, *words),
            settings=values,
            source=digest_of_files(scratch, [scratch / program[-1]]),
            requirements=(),
            apt=(),
            python="3.11",
            env={},
            data="",
        )
        declared.setdefault("target", "steps" if "steps" in values else None)
        order = Order(training_key(parts), "tiny", parts, values, parts.command, **declared)
        carried = Carried(tmp_path / "volume", order, processes)
        carried.stage(program[-1], script)
        return carried.ordered()

    return training


def alive(mark: Path | str) -> list[int]:
    """Processes whose command line or environment names something."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            about = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(mark).encode() in about and state != "Z" and int(path.name) != os.getpid():
            found.append(int(path.name))
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def lines_of(carried: Carried) -> list[dict[str, Any]]:
    path = carried.layout.path / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
