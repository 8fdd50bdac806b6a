"""A volume with synthetic cats, and trainings of seconds on it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
)
from training.data.synthetic import portraits
from training.learn.config import Execution, TrainingConfig, resolve
from training.script.script import run_script
from training.script.train import train
from training.store.directory import TrainingDirectory, dataset_name
from training.store.durable import sha256_of
from training.store.result import Result
from training.store.spec import Spec


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
    """

    volume: Path
    dataset: str
    path: Path
    config: TrainingConfig

    def run(self, resume: Path | None = None, deadline: float | None = None, **more: Any) -> Ran:
        """One attempt from the newest checkpoint, or from `resume`.

        Args:
            resume: The checkpoint to go on from.
            deadline: Seconds since 1970.
            more: Settings that say how, and what `run_script` takes.
        """
        takes = {name: more.pop(name) for name in ("stop", "tasks", "judges") if name in more}
        for name in ("result.json", "failure.json"):
            (self.path / name).unlink(missing_ok=True)
        settings = self.path / "settings.json"
        settings.write_text(
            json.dumps({**self.config.model_dump(mode="json"), "threads": 1, **more}),
            encoding="utf-8",
        )
        newest = resume or max(self.checkpoints(), default=None)
        given = {
            "GOAP_RUN_DIR": str(self.path),
            "GOAP_RESUME": "" if newest is None else str(newest),
            "GOAP_DATA_DIR": str(self.volume / "datasets" / self.dataset),
            "GOAP_SETTINGS": str(settings),
            "GOAP_KEY": self.path.name,
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
        directory.write_spec(self.spec(key, resolve(model, "smoke", settings)))
        return directory

    def spec(self, key: str, config: TrainingConfig) -> Spec:
        """Return a training of these settings under a name of the test's."""
        return Spec(
            key=key,
            parts=None,
            settings=config,
            data=self.dataset,
            label="synthetic-cats-16px",
            kind="synthetic",
        )

    def run(self, directory: TrainingDirectory, **execution: object) -> Result:
        """Return the result of one attempt, in this process and with one thread."""
        how = Execution.model_validate({"threads": 1, **execution})
        return train(self.volume, directory.key, execution=how)

    def scripted(self, key: str, model: str = "dit", **settings: object) -> "Scripted":
        """Return a run directory for a training of the `smoke` preset with these settings."""
        path = self.volume / "trainings" / key
        path.mkdir(parents=True)
        return Scripted(self.volume, self.dataset, path, resolve(model, "smoke", settings))


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
