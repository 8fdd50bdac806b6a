"""A volume with synthetic cats, and trainings of seconds on it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

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
from training.script.train import train
from training.store.directory import TrainingDirectory, dataset_name
from training.store.durable import sha256_of
from training.store.result import Result
from training.store.spec import Spec


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
