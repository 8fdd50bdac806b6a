"""A whole toolkit in a folder: our catalogue, a real volume, and a compute that does as it is told.

`Machine` implements the port `training.compute.local.Compute`. What it leaves on the volume are the
files a training leaves, written by the code of `training/`; only nothing is learned.
"""

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from actions import ACTIONS, SENSORS, Ports
from actions.job import job_of
from agents.declare.actions import Context
from agents.declare.catalogue import Catalogue
from agents.ledger.events import Event
from agents.ledger.store import Ledger
from agents.run.observe import observe
from agents.run.pursuit import Pursuit
from agents.run.question import Question
from goals import GOALS, F
from training.compute.port import Auth, HourlyRate, Launch, Shipped, TrainingStatus
from training.compute.recipe import Hardware, Recipe
from training.data.shard import DatasetManifest
from training.errors import FailureClass
from training.learn.config import resolve
from training.own import order_of
from training.runner.account import Use, uses_of
from training.runner.adjust import adjusted_settings, read_adjusted
from training.runner.ending import Ending, Failure, Reference
from training.runner.order import Order
from training.store.directory import TrainingDirectory
from training.store.durable import append_line
from training.store.layout import LocalLayout
from training.store.tensorfile import write_files
from training.store.volume import LocalVolume

End = Callable[["Machine", str], None]
DATASET = DatasetManifest(
    name="cats-16px",
    kind="folder",
    source="/photos",
    source_fingerprint="f",
    image_size=16,
    images=4,
    classes=("cat",),
    skipped=(),
    content="c",
    digest="d",
    sha256={},
    created="2026-01-01T00:00:00+00:00",
)
"""What nobody prepared, and a training of an earlier version learned from."""

CLASSES = {
    "out_of_memory": FailureClass.RESOURCE,
    "disk_full": FailureClass.RESOURCE,
    "interrupted": FailureClass.INTERRUPTED,
}


@dataclass(frozen=True)
class How:
    """How an attempt was launched, what recoveries changed included."""

    micro_batch: int | None
    lr_scale: float
    deadline_seconds: float | None


@dataclass
class Machine:
    """Compute that does as it is told: each launch ends the way the next of ``ends`` says.

    Attributes:
        ends: What the coming launches do; without one, a launch completes the training.
        auth: What is known of credentials; an exception is raised instead.
        accepted: What asking says; an exception is raised instead.
        listed: What an hour of some hardware costs.
        attached: Whether somebody else launched what is started.
        told: What else a look shows.
    """

    root: Path
    ends: list[End] = field(default_factory=list)
    auth: Auth | Exception | None = field(default_factory=lambda: Auth(True, "not needed", False))
    accepted: Auth | Exception = field(default_factory=lambda: Auth(True, "accepted"))
    asked: list[str] = field(default_factory=list)
    listed: dict[str, HourlyRate] = field(default_factory=dict)
    attached: bool = False
    told: dict[str, Any] = field(default_factory=dict)
    launches: list[tuple[str, How]] = field(default_factory=list)
    built: bool = True
    state: str = "absent"
    step: int = 0
    weight: float = 0.0
    name: str = "local"

    def auth_seen(self) -> Auth | None:
        if isinstance(self.auth, Exception):
            raise self.auth
        return self.auth

    def check_auth(self, needed_seconds: float = 0.0) -> Auth:  # noqa: ARG002
        self.asked.append("check_auth")
        if isinstance(self.accepted, Exception):
            raise self.accepted
        self.auth = self.accepted
        return self.accepted

    def hourly_rates(self, hardware: Sequence[Hardware]) -> list[HourlyRate | None]:
        return [self.listed.get(each.label) for each in hardware]

    def proof_of(self, recipe: Recipe, smoke: Order | None) -> str | None:  # noqa: ARG002
        self.asked.append("proof_of")
        return "proven" if self.built else None

    def prove(
        self,
        recipe: Recipe,  # noqa: ARG002
        smoke: Order | None,  # noqa: ARG002
        source: Shipped,  # noqa: ARG002
        log: Callable[[str], None],
        cancelled: threading.Event,  # noqa: ARG002
    ) -> str:
        self.asked.append("prove")
        log("importing")
        self.built = True
        return "proven"

    def start(
        self,
        order: Order,
        source: Shipped,  # noqa: ARG002
        hardware: Hardware,  # noqa: ARG002
        deadline_seconds: float | None,
    ) -> Launch:
        directory = TrainingDirectory.local(self.root, order.key)
        adjusted = read_adjusted(directory.layout.adjustments_path)
        micro_batch = adjusted_settings(order, adjusted)["micro_batch"]
        how = How(micro_batch, adjusted.learning_rate_scale, deadline_seconds)
        self.launches.append((order.key, how))
        directory.write_order(order)
        (self.ends.pop(0) if self.ends else completes)(self, order.key)
        return Launch(owner="pid 1", attached=self.attached)

    def owner(self, key: str) -> str | None:  # noqa: ARG002
        return "pid 1" if self.state == "running" else None

    def status(self, key: str) -> TrainingStatus:  # noqa: ARG002
        return TrainingStatus(state=self.state, step=self.step, target=10, **self.told)

    def stop(self, key: str) -> bool:  # noqa: ARG002
        self.state, running = "stopped", self.state == "running"
        return running

    def use(self, key: str, seconds: float) -> None:
        """Write what an attempt used of the hardware to its account, as the runner does."""
        layout = LocalLayout(self.root, key)
        number = (
            len(uses_of(layout.account_path.read_bytes())) if layout.account_path.exists() else 0
        )
        use = Use(number + 1, "", "ended", "", "", float(number), seconds)
        append_line(layout.account_path, json.dumps(asdict(use)).encode())

    def leave(self, key: str, status: str, step: int, **told: Any) -> Ending:
        """Write the ending of an attempt that ended like this."""
        directory = TrainingDirectory.local(self.root, key)
        order = self.order(key)
        self.state, self.step = status, step
        ending = Ending(
            key=key,
            name=order.name,
            status=status,
            step=step,
            target_step=order.target_step,
            seconds=1.0,
            device="cpu",
            attempts=directory.begin_attempt(),
            started="2026-01-01T00:00:00+00:00",
            ended="2026-01-01T00:00:01+00:00",
            about={"dtype": "float32", "torch": "0"},
            **told,
        ).judged(order.gates)
        directory.write_ending(ending)
        return ending

    def checkpoint(self, key: str, step: int) -> Reference:
        """Save a checkpoint with a few weights, and seal it."""
        directory, order = TrainingDirectory.local(self.root, key), self.order(key)
        path = directory.root / directory.checkpoint_name(step)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        weights = {"w": torch.full((8,), step + self.weight)}
        write_files(path, {"model": weights}, {"loss_start": 1.0})
        passed_over: dict[str, str] = {}
        (entry,) = directory.store(order).seal_new(lambda _step: {}, passed_over.__setitem__)
        return Reference(directory.checkpoint_name(step), entry.sha256, step)

    def order(self, key: str) -> Order:
        """What is trained under a key; one that nobody launched is of an earlier version."""
        directory = TrainingDirectory.local(self.root, key)
        order = directory.read_order()
        if order is None:
            order = replace(order_of(resolve("dit", "smoke"), DATASET), key=key, earlier=True)
            directory.write_order(order)
        return order


def measured(ratio: float) -> dict[str, float]:
    """What a finished training measured, good but for how far its loss fell."""
    return {
        "validation_ratio": ratio,
        "average_distance": 0.1,
        "sample_correlation": 0.9,
        "further_than_photos": 0.1,
    }


def completes(machine: Machine, key: str) -> None:
    """The training reaches its last step and passes its gates."""
    _complete(machine, key, value=0.5)


def misses_its_gate(machine: Machine, key: str) -> None:
    """The training reaches its last step, and is no good."""
    _complete(machine, key, value=2.0)


def _complete(machine: Machine, key: str, value: float) -> None:
    steps = machine.order(key).target_step
    checkpoint = machine.checkpoint(key, steps)
    machine.leave(key, "completed", steps, checkpoint=checkpoint, numbers=measured(value))


def fails(name: str, step: int = 4) -> End:
    """The training stops at ``step`` for the reason of this name."""
    kind = CLASSES.get(name, FailureClass.NUMERIC)

    def end(machine: Machine, key: str) -> None:
        failure = Failure(failure_class=kind, name=name, message=f"it was {name}")
        machine.leave(key, "failed", step, failure=failure)

    return end


def is_killed(step: int) -> End:
    """The training's process is gone, and left no result."""

    def end(machine: Machine, key: str) -> None:
        TrainingDirectory.local(machine.root, key).begin_attempt()
        machine.state, machine.step = "interrupted", step

    return end


ENDS = SimpleNamespace(
    completes=completes, misses_its_gate=misses_its_gate, fails=fails, is_killed=is_killed
)


@dataclass
class Kit:
    """Everything a goal is pursued with."""

    root: Path
    photos: Path
    machine: Machine
    goal: str = "trained_dit"
    ends: SimpleNamespace = field(default_factory=lambda: ENDS)

    @property
    def volume(self) -> Path:
        return self.root / "volume"

    @property
    def catalogue(self) -> Catalogue:
        ports = Ports(self.machine, LocalVolume(self.volume), self.volume)
        return Catalogue(F, SENSORS, ACTIONS, GOALS, lambda _params, _state: ports)

    def params(self, **words: str) -> object:
        asked = {"dataset": str(self.photos), "preset": "smoke", "steps": "10"}
        asked |= {"batch": "4", "save_every": "4", "repo": str(self.root / "repo"), **words}
        return self.catalogue.parameters(self.catalogue.goal(self.goal), asked)

    def context(self, **words: str) -> Context:
        with Ledger(self.root / "ledger.db") as ledger:
            events = ledger.events()
        return Context(
            self.params(**words),
            self.catalogue.ports(None, self.root),
            self.root,
            history=lambda: events,
        )

    def run(self, **words: str) -> list[Event]:
        """Pursue the goal; returns the events of the run, also of one that failed."""
        with Ledger(self.root / "ledger.db") as ledger:
            catalogue = self.catalogue
            goal, params = catalogue.goal(self.goal), self.params(**words)
            pursuit = Pursuit(Question(catalogue, goal, params, self.root), ledger, backoff=0.0)
            try:
                pursuit.run()
            finally:
                self.events = ledger.events(run=pursuit.run_id)
        return self.events

    def started(self) -> list[str]:
        """The steps of the last run in the order in which they started."""
        return [each.data["step"] for each in self.events if each.type == "step.started"]

    def look(self, *facts: str, **words: str) -> dict[str, object]:
        """What is true now, for one fact or for all."""
        catalogue = self.catalogue
        relevant = catalogue.relevant(catalogue.goal(self.goal), self.params(**words))
        self.world = observe(catalogue, relevant, self.context(**words))
        return {fact: self.world[fact] for fact in facts or relevant}

    def key(self, **words: str) -> str:
        job = job_of(self.context(**words))
        return job.key if job is not None else ""

    def directory(self, **words: str) -> TrainingDirectory:
        return TrainingDirectory.local(self.volume, self.key(**words))


def draw(folder: Path, count: int) -> None:
    """Photos that differ from one another."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"cat_{number}.png")


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    """A toolkit whose photos are there and whose image is proven."""
    draw(tmp_path / "photos", 6)
    return Kit(tmp_path, tmp_path / "photos", Machine(tmp_path / "volume"))
