"""Trainings of tiny scripts in containers of the control plane: declared, started, looked at."""

import base64
import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import Python, until
from forked import Forked

from training.compute.loopback.client import ControlPlane
from training.compute.modal.compute import ModalCompute
from training.compute.modal.volume import ModalVolume
from training.compute.port import TrainingStatus
from training.compute.recipe import Hardware, Recipe
from training.key import KeyParts, digest_of_files, training_key
from training.runner.ending import Ending
from training.runner.order import Order
from training.store.directory import TrainingDirectory

EXACT = """
import json, sys, time
from training.contract import run

total, every, nap = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
checkpoint = run.resume()
state = json.loads((checkpoint / "state.json").read_text()) if checkpoint else 1
for step in run.steps(run.step, total):
    state = (state * 6364136223846793005 + step) % 2**64
    time.sleep(nap)
    run.log(step, loss=1 + state / 2**64)
    if run.save_due(step, every=every):
        with run.checkpoint(step) as directory:
            (directory / "state.json").write_text(json.dumps(state))
run.finish(state=state % 1000003)
"""
"""A script whose result depends on every step: who loses or repeats one has another."""

STEPS, EVERY = 30, 5


def exact(steps: int = STEPS) -> int:
    """What the script ends with when nothing is lost."""
    state = 1
    for step in range(1, steps + 1):
        state = (state * 6364136223846793005 + step) % 2**64
    return state % 1000003


LAUNCH_SCRIPT = """
import base64, datetime, json, pathlib, sys
from training.compute.modal.compute import ModalCompute
from training.compute.modal.volume import ModalVolume
from training.compute.recipe import Hardware
from training.runner.order import Order
class Source:
    def __init__(self, files): self.files, self.digest, self.beside = files, "", None
    def stage(self, directory):
        for name, content in self.files.items():
            path = pathlib.Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(content))
later = datetime.timedelta(seconds=float(sys.argv[4]) if sys.argv[4:] else 0.0)
clock = lambda: datetime.datetime.now(datetime.timezone.utc) + later
compute = ModalCompute(ModalVolume(sys.argv[1]), clock=clock, name="loopback")
order, source = Order.from_json(sys.argv[2]), Source(json.loads(sys.argv[3]))
print(compute.start(order, source, Hardware(), None).call_id)
"""


@dataclass(frozen=True)
class Source:
    """Files by name."""

    files: dict[str, bytes]
    digest: str = ""
    beside: None = None

    def stage(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def words(self) -> str:
        return json.dumps({n: base64.b64encode(c).decode() for n, c in self.files.items()})


@dataclass
class Script:
    """One training of a script, and what became of it."""

    all: "Scripts"
    order: Order
    source: Source
    hardware: Hardware = field(default_factory=Hardware)

    @property
    def key(self) -> str:
        return self.order.key

    @property
    def directory(self) -> TrainingDirectory:
        return TrainingDirectory(self.all.volume, self.key)

    def start(self, deadline: float | None = None) -> str:
        launch = self.all.compute.start(self.order, self.source, self.hardware, deadline)
        return launch.call_id

    def launcher(self, later: float = 0.0) -> Forked:
        """Another process that starts it, whose clock is ahead by so many seconds."""
        words = [self.all.volume.name, self.order.to_json(), self.source.words(), str(later)]
        return self.all.python(self.all.plane, LAUNCH_SCRIPT, *words)

    def follow(self) -> str:
        until(lambda: not self.status.at_work)
        return self.state

    def run(self) -> Ending:
        self.start()
        self.follow()
        return self.ending

    @property
    def state(self) -> str:
        return self.status.state

    @property
    def status(self) -> TrainingStatus:
        return self.all.compute.status(self.key)

    @property
    def ending(self) -> Ending:
        ending = self.directory.read_ending()
        assert ending is not None, self.log
        return ending

    @property
    def log(self) -> str:
        content = self.directory.read(self.directory.log_name)
        return (content or b"").decode()

    @property
    def checkpoints(self) -> list[str]:
        listed = self.all.volume.listdir(self.directory.checkpoints_name)
        return [name for name in listed if name.startswith("step-")]

    @property
    def uses(self) -> list[dict[str, Any]]:
        content = self.directory.read(self.directory.account_name) or b""
        return [json.loads(line) for line in content.splitlines()]

    @property
    def newest_call(self) -> dict[str, Any]:
        """The call that has its lease."""
        lease = until(lambda: self.directory.lease)
        return next(each for each in self.all.calls if each["call"] == lease)

    @property
    def recipe(self) -> Recipe:
        parts = self.order.parts
        return Recipe(parts.requirements, parts.apt, parts.python)

    def after(self, count: int = 1) -> "Script":
        """Wait for checkpoints that are committed."""
        until(lambda: len(self.checkpoints) >= count)
        return self

    def kill(self, fate: str) -> None:
        self.all.plane.do("kill", fate=fate, call=self.all.compute.status(self.key).owner)


class Scripts:
    """Where they run, and a new one for each test."""

    def __init__(self, plane: ControlPlane, python: Python, place: Path) -> None:
        self.plane, self.python, self.place = plane, python, place
        self.volume = ModalVolume("scripts")
        self.compute = ModalCompute(self.volume, name="loopback")
        self._before = {call["call"] for call in self.calls}

    @property
    def new_calls(self) -> list[dict[str, Any]]:
        """Those that were made since; what a test before took away is no matter of theirs."""
        return [call for call in self.calls if call["call"] not in self._before]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [c for c in self.plane.do("state")["calls"] if c["function"] == "carry"]

    def make(
        self,
        seed: str,
        script: str | None = EXACT,
        *,
        files: dict[str, str] | None = None,
        command: tuple[str, ...] = ("python", "train.py", "{steps}", "{every}", "{nap}"),
        settings: dict[str, Any] | None = None,
        requirements: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        hardware: Hardware | None = None,
        **declared: Any,
    ) -> Script:
        values = {"steps": STEPS, "every": EVERY, "nap": 0.0, **(settings or {})}
        texts = {**({} if script is None else {"train.py": script}), **(files or {})}
        source = Source({name: text.encode() for name, text in texts.items()})
        written = self.place / seed
        source.stage(written)
        parts = KeyParts(
            command=command,
            settings=values,
            source=digest_of_files(written, [p for p in written.rglob("*") if p.is_file()]),
            requirements=requirements,
            apt=(),
            python="3.11",
            env={"SEED": seed, **(env or {})},
            data="",
        )
        declared.setdefault("target", "steps")
        order = Order(training_key(parts), "tiny", parts, values, parts.command, **declared)
        return Script(self, order, source, hardware or Hardware())


def with_settings(script: Script, **settings: Any) -> Script:
    """The same source with other settings, which is another training."""
    values = {**script.order.settings, **settings}
    parts = dataclasses.replace(script.order.parts, settings=values)
    order = dataclasses.replace(script.order, key=training_key(parts), parts=parts, settings=values)
    return dataclasses.replace(script, order=order)
