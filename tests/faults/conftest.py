"""A bakery: a folder, a ledger, and processes that can be killed anywhere."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.ledger.events import Event
from agents.ledger.store import Ledger

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL


class Bakers:
    """Starts command lines of the bakery, each in a process of its own."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("bakery.py"))],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@dataclass
class Bakery:
    """One world, and what happened to it."""

    root: Path
    bakers: Bakers
    running: set[int] = field(default_factory=set)

    @property
    def state(self) -> Path:
        return self.root / "state"

    def start(self, *words: str, kill: str = "") -> int:
        self.root.mkdir(parents=True, exist_ok=True)
        environment = {"BAKERY": str(self.root), "GOAP_FAILPOINT": kill}
        request = {
            "words": [*words, f"state={self.state}"],
            "environment": environment,
            "folder": str(self.root),
        }
        pid = self.bakers.ask({"start": request})["pid"]
        self.running.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        self.running.discard(pid)
        return self.bakers.ask({"wait": pid})["code"]

    def close(self) -> None:
        """End what a failed test did not wait for."""
        for pid in list(self.running):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self.wait(pid)

    def run(self, *words: str, kill: str = "") -> int:
        return self.wait(self.start(*words, kill=kill))

    def points(self, *words: str) -> list[str]:
        """The places this command line passes, in order."""
        assert self.run(*words, kill=f"@{self.root / 'trace'}") == 0, self.output()
        return self.passed()

    def killed(self, number: int, *words: str) -> bool:
        """Whether it was killed at a place; it was not if this time there were fewer."""
        code = self.run(*words, kill=f"*:{number}@{self.root / 'trace'}")
        if code == KILLED:
            assert len(self.passed()) == number
            return True
        assert code == 0, self.output()
        assert len(self.passed()) < number
        return False

    def passed(self) -> list[str]:
        return (self.root / "trace").read_text(encoding="utf-8").split()

    def events(self, *types: str) -> list[Event]:
        with Ledger(self.state / "ledger.db", readonly=True) as ledger:
            return ledger.events(types=types)

    def problems(self) -> list[str]:
        with Ledger(self.state / "ledger.db", readonly=True) as ledger:
            return ledger.check()

    def effects(self) -> Counter:
        path = self.root / "effects"
        return Counter(path.read_text(encoding="utf-8").split() if path.exists() else [])

    def delivered(self) -> bool:
        path = self.root / "delivered"
        return path.exists() and path.read_text(encoding="utf-8") == "bread\n"

    def output(self) -> str:
        return (self.root / "output.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def bakers():
    found = Bakers()
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def bakery(bakers, tmp_path):
    made = Bakery(tmp_path / "bakery", bakers)
    yield made
    made.close()


@pytest.fixture
def new_bakery(bakers, tmp_path):
    """Makes as many bakeries as are asked for."""
    made = []

    def make():
        made.append(Bakery(tmp_path / f"bakery-{len(made)}", bakers))
        return made[-1]

    yield make
    for each in made:
        each.close()
