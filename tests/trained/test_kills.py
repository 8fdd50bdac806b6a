"""kill -9 of the engine at any moment: launched once, paid once, and the same bytes in the end.

The script knows nothing of us but files and variables. Kills of the runner and of the script are in
`tests/runner/test_kills.py`; there, too, twenty of each.
"""

import json
import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.ledger.store import Ledger
from tests.runner.conftest import alive
from training.compute.loopback.client import ControlPlane, ensure
from training.compute.modal.volume import ModalVolume
from training.runner.account import Use, dollars_of, newest_of, total_seconds, uses_of
from training.store.directory import TrainingDirectory
from training.store.volume import LocalVolume, Volume

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 300
PER_HOUR = 3600.0
"""A dollar a second."""

SCRIPT = """
import json, os, shutil, sys, time
from pathlib import Path

HURRY = Path({hurry!r})
steps, every, nap = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
folder, resume = Path(os.environ["GOAP_RUN_DIR"]), os.environ["GOAP_RESUME"]
saved = json.loads(Path(resume, "state.json").read_text()) if resume else dict(step=0, state=1)
state = saved["state"]
shutil.rmtree(folder / "checkpoints" / ".making", ignore_errors=True)
for step in range(saved["step"] + 1, steps + 1):
    state = (state * 6364136223846793005 + step) % 2**64
    if not HURRY.exists():
        time.sleep(nap)
    with (folder / "metrics.jsonl").open("a") as metrics:
        print(json.dumps(dict(step=step, loss=1 + state / 2**64)), file=metrics)
    whole = folder / "checkpoints" / f"step-{{step:08}}"
    if step % every == 0 and not whole.exists():
        making = folder / "checkpoints" / ".making"
        making.mkdir(parents=True)
        (making / "state.json").write_text(json.dumps(dict(step=step, state=state)))
        making.rename(whole)
result = folder / ".making.json"
result.write_text(json.dumps(dict(step=steps, state=state)))
result.rename(folder / "result.json")
"""

JOB = """
from pydantic import BaseModel, Field

from actions import toolkit
from training import Gate, Keep, Training


class Settings(BaseModel):
    steps: int = Field(100, ge=1, description="steps")
    every: int = Field(5, ge=1, description="steps between two checkpoints")
    nap: float = Field(0.02, ge=0, description="seconds that a step takes")


CATALOGUE = toolkit(
    Training(
        "exact",
        settings=Settings,
        command="python train.py {steps} {every} {nap}",
        source=["train.py"],
        smoke={"steps": 2, "every": 1},
        gates=[Gate("state", ">=", 1)],
        keep=Keep(last=2),
    )
)
"""


@dataclass
class Folder:
    """A job in a folder of its own, and the one command that is given again and again.

    Attributes:
        path: Where it lies.
        processes: Starts them.
        words: What the command says beside the goal.
        given: Variables of its environment.
    """

    path: Path
    processes: Any
    words: tuple[str, ...] = ()
    given: dict[str, str] | None = None

    def start(self) -> "subprocess.Popen[bytes]":
        with (self.path / "said.txt").open("ab") as said:
            return self.processes(
                [sys.executable, "-P", str(ROOT / "goap_start.py"), *self._command()],
                cwd=self.path,
                env={"PATH": os.environ["PATH"], "HOME": str(self.path), **(self.given or {})},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def _command(self) -> tuple[str, ...]:
        return "run", "goal=exact_trained", *self.words

    def run(self) -> None:
        """Let the command end by itself."""
        self.is_killed_after(LONGEST_SECONDS)

    def is_killed_after(self, seconds: float) -> bool:
        """Whether the engine had to be killed then; else it came to the goal."""
        engine = self.start()
        with suppress(subprocess.TimeoutExpired):
            engine.wait(timeout=seconds)
        engine.kill()
        code = engine.wait()
        assert code in (0, -9), self.said
        return code != 0

    @property
    def said(self) -> str:
        return (self.path / "said.txt").read_text(encoding="utf-8", errors="replace")

    @property
    def volume(self) -> Volume:
        """Where its trainings lie."""
        name = [word.removeprefix("volume=") for word in self.words if word.startswith("volume=")]
        return ModalVolume(*name) if name else LocalVolume(self.path / ".goap" / "volume")

    @property
    def training(self) -> TrainingDirectory:
        """The only one."""
        (only,) = self.volume.listdir("trainings")
        return TrainingDirectory(self.volume, only)

    @property
    def uses(self) -> list[Use]:
        return uses_of(self.training.read(self.training.account_name) or b"")

    @property
    def result(self) -> dict[str, bytes]:
        """The bytes that a user wanted to have."""
        training = self.training
        kept = [
            each for each in training.volume.listdir(training.checkpoints_name) if "step" in each
        ]
        names = ["result.json", *(f"checkpoints/{each}/state.json" for each in kept)]
        return {name: training.volume.read_bytes(f"{training.name}/{name}") for name in names}

    def events(self, *types: str) -> list[Any]:
        with Ledger(self.path / ".goap" / "ledger.db", readonly=True) as ledger:
            assert ledger.check() == []
            return ledger.events(types=types)

    def noted(self, what: str) -> int:
        """How often a training was launched, or attached to."""
        events = self.events("step.noted")
        return sum(event.data["about"].get("launch") == what for event in events)


@pytest.fixture
def new_folder(tmp_path, processes):
    """Makes a folder of the same job as often as it is asked to: each has the same training key."""

    def make(name: str, *words: str) -> Folder:
        folder = Folder(tmp_path / name, processes, words)
        folder.path.mkdir()
        script = SCRIPT.format(hurry=str(tmp_path / "hurry"))
        for file, text in (
            ("train.py", script),
            ("job.py", JOB),
            ("pyproject.toml", '[tool.goap]\ncatalogue = "job:CATALOGUE"\n'),
        ):
            (folder.path / file).write_text(text, encoding="utf-8")
        return folder

    return make


def until(holds, what):
    end = time.monotonic() + LONGEST_SECONDS
    while not (found := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def plane_of_all(tmp_path_factory):
    found = ensure(tmp_path_factory.mktemp("loopback"), "--retry-scale", "0.01", "--grace", "2")
    try:
        yield found
    finally:
        found.do("stop")


@pytest.fixture
def plane(plane_of_all, monkeypatch):
    """The control plane, which this process's client talks to."""
    for name, value in plane_of_all.environment().items():
        monkeypatch.setenv(name, value)
    return plane_of_all


def check(folder, whole):
    """What holds of a training however often its engine was killed."""
    assert folder.training.key == whole.training.key
    assert folder.result == whole.result
    ending = folder.training.read_ending()
    assert ending.status == "completed"
    assert ending.seconds == pytest.approx(total_seconds(folder.uses), abs=0.01)
    done = [
        event for event in folder.events("step.finished") if event.data["action"] == "train_exact"
    ]
    assert len(done) == 1
    seconds = [
        m["value"] for m in done[0].data["outcome"]["measurements"] if m["name"] == "seconds"
    ]
    assert seconds == [pytest.approx(ending.seconds, abs=0.01)]
    assert len(list((folder.path / "plans").glob("ADR-*.md"))) == 1


@pytest.mark.slow
def test_twenty_kills_of_the_engine_launch_each_training_once_and_change_no_byte(new_folder):
    whole, began = new_folder("whole"), time.monotonic()
    whole.run()
    longest = time.monotonic() - began
    chance, kills, trainings = random.Random(12), 0, 0
    while kills < 20:
        folder, trainings = new_folder(f"killed-{trainings}"), trainings + 1
        while folder.is_killed_after(chance.uniform(0, longest)):
            kills += 1
        assert [(use.attempt, use.state) for use in newest_of(folder.uses)] == [(1, "ended")]
        assert folder.noted("launched") <= 1
        assert list(folder.training.metrics()) == list(whole.training.metrics())  # none twice
        check(folder, whole)
        until(lambda: alive(folder.path) == [], "something is left")  # noqa: B023
    print(f"{kills} kills of the engine of {trainings} trainings: one launch and one account each")


FATES = ("preempted", "out_of_memory", "crashed")


class Killer:
    """Kills engine and container by turns, at random moments."""

    def __init__(self, folder: Folder, plane: ControlPlane, seed: int) -> None:
        self.folder, self.plane, self.chance = folder, plane, random.Random(seed)
        self.engines, self.containers, self.saved = 0, 0, 0
        self.before = len(self.all_calls())

    def all_calls(self) -> list[dict[str, Any]]:
        return [each for each in self.plane.do("state")["calls"] if each["function"] == "carry"]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Those of this training."""
        return self.all_calls()[self.before :]

    def kill_engine(self, longest: float) -> bool:
        """Whether it was there to be killed."""
        killed = self.folder.is_killed_after(self.chance.uniform(0, longest))
        self.engines += killed
        return killed

    def kill_at_the_launch(self) -> None:
        """The engine, as soon as there is a call."""
        engine = self.folder.start()
        until(lambda: self.calls or engine.poll() is not None, "the call")
        assert engine.poll() is None, self.folder.said
        engine.kill()
        engine.wait()
        self.engines += 1

    def kill_container(self) -> None:
        """The one that trains, once it saved something since the last one was killed."""
        until(self.saves_more, "a checkpoint")
        self.plane.do("kill", fate=FATES[self.containers % len(FATES)], call=self.calls[0]["call"])
        self.containers += 1

    def saves_more(self) -> bool:
        newest = max(self.folder.training.checkpoint_steps(), default=0)
        more, self.saved = newest > self.saved, newest
        return more


@pytest.mark.slow
@pytest.mark.parametrize(("compute", "every"), [("loopback", 40), ("modal", 50)])
def test_engine_and_container_killed_by_turns_are_one_call_that_is_paid_once(
    new_folder, plane, tmp_path, compute, every
):
    settings = ("steps=4000", f"every={every}")
    (tmp_path / "hurry").touch()
    whole = new_folder("whole", *settings)
    whole.run()
    (tmp_path / "hurry").unlink()
    folder = new_folder(
        "job", f"compute={compute}", f"volume=of-{compute}", "max_cost=9999", *settings
    )
    priced(folder, plane, compute)
    killer = Killer(folder, plane, 13)
    killer.kill_at_the_launch()
    while killer.engines < 6 or killer.containers < 4:
        assert killer.kill_engine(6)
        killer.kill_container()
    (tmp_path / "hurry").touch()
    while killer.kill_engine(12):
        pass
    (call,) = killer.calls
    assert call["starts"] == 1 + killer.containers
    assert {use.call for use in folder.uses} == {call["call"]}
    assert sorted({use.attempt for use in folder.uses}) == list(range(1, call["starts"] + 1))
    assert folder.noted("launched") <= 1
    check(folder, whole)
    check_money(folder, compute)
    print(f"{killer.engines} kills of the engine, {killer.containers} of a container: one call")


def priced(folder, plane, compute):
    """A dollar a second, on the rehearsal as on the platform."""
    rate = dict.fromkeys(("low", "expected", "high"), PER_HOUR)
    said = {compute: {"usd_per_hour": rate, "source": "made up", "seen": "today"}}
    (folder.path / ".goap").mkdir()
    (folder.path / ".goap" / "loopback").symlink_to(plane.root)
    (folder.path / ".goap" / "rates.json").write_text(json.dumps(said), encoding="utf-8")
    folder.given = dict(plane.environment()) if compute == "modal" else None


def check_money(folder, compute):
    """What the account says was paid is paid, and once."""
    used = dollars_of(folder.uses)
    assert used is not None
    assert used[1] == pytest.approx(total_seconds(folder.uses), abs=0.01)
    settled = [event.data for event in folder.events("money.settled")]
    booked = sum(each["usd"] for each in settled if each["account"] == folder.training.key)
    # a rehearsal is free, whatever it would cost
    assert booked == pytest.approx(used[1] if compute == "modal" else 0, abs=0.01)
