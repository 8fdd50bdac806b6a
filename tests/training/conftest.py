"""A volume with synthetic cats, and trainings of seconds on it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.contract import Run
from training.data.shard import (
    IMAGES_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    DatasetManifest,
    content_digest,
    dataset_digest,
    read_manifest,
)
from training.data.synthetic import portraits
from training.errors import FailureClass
from training.learn.config import TrainingConfig, config_of, resolve
from training.own import order_of
from training.runner.checkpoints import Store
from training.runner.ending import Ending, Failure, Reference
from training.runner.order import Order
from training.runner.sealed import Checkpoint
from training.runner.signals import Stop
from training.runner.watch import Rows, finite
from training.script.script import run_script
from training.store.directory import TrainingDirectory, dataset_name
from training.store.durable import sha256_of
from training.store.layout import LocalLayout
from training.store.tensorfile import read_tensors, write_files


class StopAfter(Stop):
    """A flag that goes up when it was looked at so many times: the loop looks once a step."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._left = looks

    @property
    def reason(self) -> str | None:
        self._left -= 1
        return "the test" if self._left <= 0 else None


@dataclass(frozen=True)
class Ran:
    """How one attempt of a script ended: its exit code and what it wrote."""

    code: int
    result: dict[str, Any] | None
    failure: dict[str, Any] | None


@dataclass(frozen=True)
class Scripted:
    """A run directory, and attempts in it.

    Attributes:
        volume: Holds the dataset.
        dataset: Its digest.
        path: The run directory.
        config: What is trained.
        key: The training key.
    """

    volume: Path
    dataset: str
    path: Path
    config: TrainingConfig
    key: str

    def run(self, resume: Path | None = None, deadline: float | None = None, **more: Any) -> Ran:
        """One attempt from the newest checkpoint, or from `resume`.

        Args:
            resume: The checkpoint to go on from; an empty path: none.
            deadline: Seconds since 1970.
            more: Settings that say how, and what `run_script` takes.
        """
        takes = {
            name: more.pop(name) for name in ("stop", "tasks", "judges", "points") if name in more
        }
        for name in ("result.json", "failure.json"):
            (self.path / name).unlink(missing_ok=True)
        settings = self.path / "settings.json"
        settings.write_text(
            json.dumps({**self.config.model_dump(mode="json"), "threads": 1, **more}),
            encoding="utf-8",
        )
        newest = max(self.checkpoints(), default=Path()) if resume is None else resume
        given = {
            "GOAP_RUN_DIR": str(self.path),
            "GOAP_RESUME": "" if newest == Path() else str(newest),
            "GOAP_DATA_DIR": str(self.volume / "datasets" / self.dataset),
            "GOAP_SETTINGS": str(settings),
            "GOAP_KEY": self.key,
            "GOAP_DEADLINE": "" if deadline is None else str(deadline),
        }
        with _environment(given):
            code = run_script(Run(), **takes)
        return Ran(code, self._object("result.json"), self._object("failure.json"))

    def checkpoints(self) -> list[Path]:
        """Those that are whole, by step."""
        return sorted((self.path / "checkpoints").glob("step-*"))

    def rows(self, name: str = "loss") -> list[dict[str, Any]]:
        """The rows of metrics that hold a number of this name."""
        lines = (self.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [row for line in lines if name in (row := json.loads(line))]

    def _object(self, name: str) -> dict[str, Any] | None:
        path = self.path / name
        return json.loads(path.read_bytes()) if path.exists() else None


@contextmanager
def _environment(given: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Bench:
    """A volume of its own for one test, and what can be done on it."""

    volume: Path
    dataset: str

    def make(self, key: str, model: str = "dit", **settings: object) -> TrainingDirectory:
        """Return a training of the `smoke` preset with these settings, not yet run."""
        directory = TrainingDirectory.local(self.volume, key)
        directory.write_order(self.order(key, resolve(model, "smoke", settings)))
        return directory

    def order(self, key: str, config: TrainingConfig) -> Order:
        """Return a training of these settings under a name of the test's."""
        manifest = read_manifest(self.volume, self.dataset)
        assert manifest is not None
        return replace(order_of(config, manifest), key=key, earlier=True)

    def run(self, directory: TrainingDirectory, **more: Any) -> Ending:
        """Return how one attempt ended, its script in this process and with one thread.

        It is carried as the runner would, but for all that needs a process.

        Args:
            directory: The training.
            more: As for `Scripted.run`.
        """
        order = directory.read_order()
        assert order is not None
        earlier = directory.read_ending()
        if earlier is not None and earlier.status == "completed":
            return earlier
        attempts, store = directory.begin_attempt(), directory.store(order)
        rows = Rows(order, directory.path, directory.log_path)
        store.clear()
        rows.begin(0)
        store.seal_new(rows.at, _passed_over)
        newest = store.newest_valid()
        rows.begin(newest.step if newest else 0)
        script = Scripted(
            self.volume, self.dataset, directory.path, config_of(order.settings), directory.key
        )
        follower = more.pop("follower", None)
        if follower is not None:
            began = newest.step if newest else 0
            follower.begin(order, directory.layout, began, rows.history())
        ran = script.run(resume=newest.path if newest else Path(), **more)
        rows.look()
        if follower is not None:
            follower.look(rows.fresh)
        store.seal_new(rows.at, _passed_over)
        store.prune(order.keep)
        failure = None if ran.failure is None else _failure(ran.failure)
        status = "failed" if failure else "completed" if ran.result else "interrupted"
        newest = store.newest_valid()
        numbers = {**rows.last, **finite(ran.result or {})}
        ending = Ending(
            key=directory.key,
            name=order.name,
            status=status,
            step=int(numbers.pop("step", max(rows.step, newest.step if newest else 0))),
            target_step=order.target_step,
            attempts=attempts,
            seconds=1.0,
            started="2026-01-01T00:00:00+00:00",
            ended="2026-01-01T00:00:01+00:00",
            failure=failure,
            numbers=numbers,
            about={name: v for name, v in (ran.result or {}).items() if isinstance(v, str)},
            checkpoint=None
            if newest is None
            else Reference(directory.checkpoint_name(newest.step), newest.sha256, newest.step),
        ).judged(order.gates)
        directory.write_ending(ending)
        if follower is not None:
            follower.end(ending)
        return ending

    def scripted(self, key: str, model: str = "dit", **settings: object) -> "Scripted":
        """Return a run directory for a training of the `smoke` preset with these settings."""
        path = self.volume / "trainings" / key
        path.mkdir(parents=True)
        return Scripted(self.volume, self.dataset, path, resolve(model, "smoke", settings), key)


@pytest.fixture(scope="session")
def benches() -> type[Bench]:
    """What makes a bench of any volume and dataset."""
    return Bench


@dataclass(frozen=True)
class Shelf:
    """The checkpoints of one training, and a hand that saves some as a script would.

    Attributes:
        store: Seals and believes them.
        layout: Where the training is.
    """

    store: Store
    layout: LocalLayout

    @property
    def root(self) -> Path:
        """Where the checkpoints are."""
        return self.layout.saved_path.parent

    def save(
        self, step: int, tensors: dict[str, Any], metrics: dict[str, float] | None = None
    ) -> Checkpoint:
        """Write one and seal it."""
        path = self.layout.root / self.layout.checkpoint_name(step)
        path.mkdir(parents=True)
        write_files(path, tensors, {"step": step})
        (entry,) = self.seal(metrics)
        return entry

    def seal(self, metrics: dict[str, float] | None = None) -> list[Checkpoint]:
        """Seal what is not sealed yet."""

        def measured(_step: int) -> dict[str, float]:
            return metrics or {}

        return self.store.seal_new(measured, _passed_over)


@pytest.fixture
def shelf(bench: Bench) -> Shelf:
    """The checkpoints of a training that saved none yet."""
    directory = bench.make("shelf")
    return Shelf(directory.store(), directory.layout)


def _passed_over(_name: str, _why: str) -> None:
    """A checkpoint that is not sealed: what is asked for is seen on the volume."""


def _failure(told: dict[str, Any]) -> Failure:
    return Failure(FailureClass(told["class"]), told["name"], told["message"])


def weights_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, by file and name."""
    return {
        f"{file.stem}/{name}": tensor
        for file in sorted(checkpoint.glob("*.safetensors"))
        for name, tensor in read_tensors(file).items()
    }


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models of these sizes are slower with two threads, and much slower beside other work."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def synthetic_cats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume with 96 synthetic cats of 16 px: fewer than `prepare` draws, which takes seconds."""
    volume = tmp_path_factory.mktemp("cats")
    drawn, breeds = zip(*portraits(16, 12), strict=True)
    classes = tuple(sorted(set(breeds)))
    images = np.stack(drawn)
    labels = np.array([classes.index(breed) for breed in breeds], dtype=np.int64)
    content = content_digest(images, labels, classes)
    digest = dataset_digest(content, "synthetic", 16)
    place = volume / dataset_name(digest)
    place.mkdir(parents=True)
    np.save(place / IMAGES_FILE, images)
    np.save(place / LABELS_FILE, labels)
    manifest = DatasetManifest(
        name="synthetic-cats-16px",
        kind="synthetic",
        label="SYNTHETIC",
        source="synthetic",
        source_fingerprint="",
        image_size=16,
        images=len(images),
        classes=classes,
        skipped=(),
        content=content,
        digest=digest,
        sha256={file: sha256_of(place / file) for file in (IMAGES_FILE, LABELS_FILE)},
        created="2026-01-01T00:00:00+00:00",
    )
    (place / MANIFEST_FILE).write_text(manifest.model_dump_json(), encoding="utf-8")
    return volume


@pytest.fixture
def bench(tmp_path: Path, synthetic_cats: Path) -> Bench:
    """An empty volume with the dataset."""
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "datasets").symlink_to(synthetic_cats / "datasets")
    (name,) = (path.name for path in (synthetic_cats / "datasets").iterdir())
    return Bench(volume, name)
