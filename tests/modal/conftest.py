"""One control plane for these tests, and clients that reach it and nothing else.

Tests marked ``cloud`` use neither: they go to Modal, when GOAP_TEST_CLOUD=1 and there is a token.
"""

import inspect
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from training.compute.loopback.client import ControlPlane, ensure
from training.compute.port import Launch
from training.compute.recipe import Hardware
from training.data.prepare import prepare
from training.learn.config import TrainingConfig, resolve
from training.own import order_of, own_source
from training.runner.order import Order
from training.store.directory import TrainingDirectory, dataset_name

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

FREE = {
    **{f"gpu_hour_cost_{name}": 0 for name in ("a10g", "t4", "l4", "h100")},
    **dict.fromkeys(("cpu_hour_cost", "mem_gib_hour_cost"), 0),
}
"""A rehearsal costs nothing, and says so; a test that is about prices lists its own."""

LAUNCH = """
import sys
from training.compute.recipe import Hardware
from training.own import own_source
from training.runner.order import Order
from training.compute.modal.compute import ModalCompute
from training.compute.modal.volume import ModalVolume
compute = ModalCompute(ModalVolume("goap-training"), name="loopback")
order = Order.from_json(sys.argv[1])
print(compute.start(order, own_source(), Hardware(gpu=("A10G",)), None).call_id)
"""


@pytest.fixture(scope="session")
def plane_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    root = tmp_path_factory.mktemp("loopback")
    found = ensure(root, "--retry-scale", "0.01", "--grace", "2")
    try:
        yield found
    finally:
        found.do("stop")


@pytest.fixture
def plane(plane_of_all: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    """The control plane, which this process's client talks to; no RPC it did not know was met."""
    for name, value in plane_of_all.environment().items():
        monkeypatch.setenv(name, value)
    plane_of_all.do("clear")
    plane_of_all.do("rates", **FREE)
    yield plane_of_all
    plane_of_all.do("clear")
    assert plane_of_all.do("state")["unimplemented"] == {}


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A few drawn cats as a dataset, and its manifest."""
    from training.script.smoke import _photos

    root = tmp_path_factory.mktemp("photos")
    return root, prepare(_photos(root / "photos", 16), root, 16)


@pytest.fixture
def client(plane: ControlPlane, photos: tuple[Path, Any], python: "Python") -> "Client":
    return Client(plane, python, *photos)


class Client:
    """What a launcher has: the compute, the volume, and a dataset on it."""

    def __init__(self, plane: ControlPlane, python: "Python", photos: Path, manifest: Any) -> None:
        from training.compute.modal.compute import ModalCompute
        from training.compute.modal.volume import ModalVolume

        self.plane, self.python, self.manifest = plane, python, manifest
        self.volume = ModalVolume("goap-training")
        self.compute = ModalCompute(self.volume, name="loopback")
        if not self.volume.exists(dataset_name(manifest.digest)):
            self.volume.upload(photos, dataset_name(manifest.digest))

    def config(self, seed: int, **settings: Any) -> TrainingConfig:
        given = {"steps": 8, "batch": 4, "sample_steps": 1, "warmup_steps": 0, "save_every": 2}
        return resolve("dit", "smoke", seed=seed, **{**given, **settings})

    def key(self, config: TrainingConfig) -> str:
        return self.order(config).key

    def order(self, config: TrainingConfig) -> Order:
        return order_of(config, self.manifest)

    def directory(self, key: str) -> TrainingDirectory:
        return TrainingDirectory(self.volume, key)

    def launch(self, config: TrainingConfig) -> str:
        self.start(config)
        return self.key(config)

    def start(self, config: TrainingConfig, deadline: float | None = None) -> Launch:
        hardware = Hardware(gpu=("A10G",))
        return self.compute.start(self.order(config), own_source(), hardware, deadline)

    def calls(self, function: str = "carry") -> list[dict[str, Any]]:
        return [c for c in self.plane.do("state")["calls"] if c["function"] == function]

    def follow(self, key: str) -> str:
        """Wait for the end of a training; its state."""
        until(lambda: not self.compute.status(key).at_work)
        return self.compute.status(key).state


@pytest.fixture
def scripts(plane: ControlPlane, python: "Python", tmp_path: Path) -> Any:
    """Trainings of tiny scripts."""
    from scripts import Scripts

    return Scripts(plane, python, tmp_path)


@pytest.fixture(scope="session")
def finished() -> dict[str, str]:
    return {}


@pytest.fixture
def trained(client: Client, finished: dict[str, str]) -> str:
    """A training that ran to its end undisturbed, shared by the tests that only look."""
    if not finished:
        key = client.launch(client.config(1, steps=60, save_every=5))
        assert client.follow(key) == "completed"
        finished["key"] = key
    return finished["key"]


def until(true: Callable[[], Any], seconds: float = 300) -> Any:
    """Ask until the answer is yes; the answer. Who waits in vain is told for what."""
    end = time.monotonic() + seconds
    while not (answer := true()):
        if time.monotonic() > end:
            asked = inspect.getsource(true).strip()
            pytest.fail(f"still {answer!r} after {seconds:.0f} seconds: {asked}")
        time.sleep(0.1)
    return answer


Python = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def python(processes: Callable[..., "subprocess.Popen[str]"]) -> Python:
    """Starts another process with a client of its own; it ends with the test."""

    def start(plane: ControlPlane, code: str, *words: str) -> "subprocess.Popen[str]":
        return processes(
            [sys.executable, "-c", code, *words],
            cwd=ROOT,
            env={**os.environ, **plane.environment()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
