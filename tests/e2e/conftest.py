"""Real processes, `python -m agents …`, in a folder of their own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest
from PIL import Image

from agents.ledger.events import Event
from agents.ledger.store import Ledger
from training.compute.local import LocalCompute
from training.data.synthetic import portraits

ROOT = Path(__file__).parents[2]
GREMLINS = Path(__file__).with_name("gremlins")
PATIENCE = 300.0
"""Decides nothing but how long a broken test takes."""
SETTINGS = ("preset=smoke", "steps=60", "save_every=20", "threads=1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker runs all of this folder: they share an expensive training."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("e2e"))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Desk:
    """A folder to work in: state, repository and home of one test."""

    root: Path
    photos: Path
    settings: tuple[str, ...] = SETTINGS
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def repo(self) -> Path:
        return self.root / "repo"

    @property
    def volume(self) -> Path:
        return self.state / "volume"

    @property
    def trained(self) -> tuple[str, ...]:
        """The words that ask for the training all tests share."""
        return (*self.asked(), f"dataset={self.photos}", *self.settings)

    def asked(self) -> tuple[str, ...]:
        """The words that say what and where, but not on which photos."""
        return ("goal=trained_dit", f"state={self.state}", f"repo={self.repo}")

    def environment(self, **changes: str | None) -> dict[str, str]:
        """Hardly anything: what a person's shell may have set does not reach the test."""
        found = {"PATH": os.environ["PATH"], "HOME": str(self.root), "PYTHONPATH": str(ROOT)}
        changed = {**found, "MODAL_CONFIG_PATH": str(self.root / "none.toml"), **changes}
        return {name: value for name, value in changed.items() if value is not None}

    def start(
        self, command: str, *words: str, before: tuple[str, ...] = (), **changes: str | None
    ) -> "subprocess.Popen[str]":
        """Start a command in a session of its own, as a terminal would."""
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "agents", command, *words],
            cwd=self.root,
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def end(self, process: "subprocess.Popen[str]") -> Ended:
        """Wait for a command; one that writes a traceback has failed whatever its code."""
        out, err = process.communicate(timeout=PATIENCE)
        ended = Ended(process.returncode, out, err)
        assert "Traceback" not in out + err, ended.err
        return ended

    def run(self, command: str, *words: str, **options: object) -> Ended:
        return self.end(self.start(command, *words, **options))

    def events(self, *types: str) -> list[Event]:
        with Ledger(self.state / "ledger.db", readonly=True) as ledger:
            return ledger.events(types=types)

    def launches(self) -> list[str]:
        """``launched`` or ``attached``, in the order in which trainings were followed."""
        notes = [event.data["about"].get("launch") for event in self.events("step.noted")]
        return [str(note) for note in notes if note in ("launched", "attached")]

    def until(self, holds: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        pause = threading.Event()
        while not holds():
            assert time.monotonic() < deadline, f"still waiting: {what}"
            pause.wait(0.02)

    def key(self) -> str:
        """The one training of the volume."""
        (directory,) = self.volume.glob("trainings/*")
        return directory.name

    def training(self) -> int:
        """The process id of the training."""
        self.until(lambda: list(self.volume.glob("trainings/*/owner.json")), "a training starts")
        owner = self.volume / "trainings" / self.key() / "owner.json"
        return int(json.loads(owner.read_text(encoding="utf-8"))["pid"])

    def frozen(self) -> int:
        """Freeze the training as it starts: tests decide when it goes on."""
        pid = self.training()
        os.kill(pid, signal.SIGSTOP)
        return pid

    def fates(self, *words: str) -> dict[str, str]:
        """What lets the next trainings go as these words of the gremlins say, one each."""
        folder = self.root / "gremlins"
        folder.mkdir()
        (folder / "trainings").write_text(" ".join(words), encoding="utf-8")
        path = os.pathsep.join([str(GREMLINS), str(ROOT)])
        return {"GREMLINS": str(folder), "PYTHONPATH": path}

    def standing(self) -> int:
        """The runner of a training whose fate is ``stop``, once its script stands at step 40.

        Seen from outside, a training may have ended before anybody looks.
        """
        pid = self.training()
        self.until(self.script, "the training stands")
        return pid

    def script(self) -> int:
        """The script of this test's that stands still; 0: none does."""
        mine = f"GREMLINS={self.root / 'gremlins'}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, IndexError):
                given = (process / "environ").read_bytes()
                state = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                if mine in given and b"GOAP_KEY=" in given and state == "T":
                    return int(process.name)
        return 0

    def weights(self) -> dict[str, bytes]:
        """The content of the weights of the last checkpoint."""
        newest = max(self.volume.glob("trainings/*/checkpoints/step-*"))
        files = sorted(newest.glob("*.safetensors"))
        return {f"{newest.name}/{file.name}": file.read_bytes() for file in files}

    def clear(self) -> None:
        """End what this test started and what outlives it by design."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            for pipe in (process.stdout, process.stderr):
                pipe.close()
            process.wait()
        for owner in self.volume.glob("trainings/*/owner.json"):
            if LocalCompute(self.volume).status(owner.parent.name).state == "running":
                with suppress(ProcessLookupError):
                    pid = json.loads(owner.read_text(encoding="utf-8"))["pid"]
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-eight drawn cats of 16 px."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    for number, (pixels, breed) in enumerate(islice(portraits(16), 48)):
        Image.fromarray(pixels).save(folder / f"{breed}_{number}.png")
    return folder


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, photos: Path
) -> Iterator[tuple[Desk, Ended]]:
    """A training from nothing to the goal, which other tests only look at."""
    desk = Desk(tmp_path_factory.mktemp("finished"), photos)
    try:
        yield desk, desk.run("run", *desk.trained)
    finally:
        desk.clear()


@pytest.fixture
def desk(tmp_path: Path, photos: Path, finished: tuple[Desk, Ended]) -> Iterator[Desk]:
    """A folder of its own, where the image is proven and the photos are prepared."""
    mine = Desk(tmp_path, photos)
    for part in ("images", "datasets"):
        shutil.copytree(finished[0].volume / part, mine.volume / part)
    try:
        yield mine
    finally:
        mine.clear()
