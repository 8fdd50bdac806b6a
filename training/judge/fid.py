"""FID: how far a model's samples are from photos, by the features of a network that knows pictures.

Heusel et al., https://arxiv.org/abs/1706.08500. The network is not part of this project. It is a
TorchScript file that takes uint8 images `[N, 3, S, S]`, resizes them itself and returns `[N, D]`
features; `training.judge.inception` says where the one of the papers is (2,048 features, 96 MB).
Loading such a file runs what is in it: it is loaded only when its sha256 is the one asked for.
"""

import hashlib
import io
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data.shard import Dataset, load
from training.errors import ConfigError
from training.judge.export import Weights, model_of, newest_weights
from training.judge.inception import INCEPTION_SHA256, INCEPTION_URL
from training.judge.quality import frechet_distance
from training.judge.sampling import sample
from training.learn.augment import to_bytes
from training.learn.randomness import generator
from training.store.result import TrainingDirectory

__all__ = ["Fid", "fid", "load_features"]

BATCH = 64

Features = Callable[[Tensor], Tensor]
"""From uint8 images `[N, S, S, 3]` to float64 features `[N, D]`."""


@dataclass(frozen=True)
class Fid:
    """A distance, and all that it depends on."""

    distance: float
    step: int
    samples: int
    photos: int
    dataset: str
    dimensions: int
    sha256: str

    def described(self) -> str:
        """The figure in words: without the counts and the network it means nothing."""
        few = min(self.samples, self.photos)
        bias = (
            f"; {few:,} images are fewer than the {self.dimensions:,} features, so it is too large"
            if few <= self.dimensions
            else ""
        )
        return (
            f"FID {self.distance:.3f}: {self.samples:,} samples of step {self.step} against "
            f"{self.photos:,} photos of {self.dataset}, network {self.sha256[:12]}{bias}"
        )


def fid(
    directory: TrainingDirectory,
    features: Features,
    sha256: str,
    *,
    count: int = 10_000,
    seed: int = 0,
    guidance: float = 1.0,
    dataset: str | None = None,
) -> Fid:
    """Return the distance between samples of the newest checkpoint's average and photos.

    Args:
        directory: The training, of a TinyDiT.
        features: The network.
        sha256: Of the network's file.
        count: Samples to draw; their classes are as frequent as in the dataset.
        seed: Which samples.
        guidance: 1 follows the classes as learned.
        dataset: Photos to compare with; all those of the training's own dataset when None.

    Raises:
        ConfigError: The model draws nothing.
        CheckpointError: There is no valid checkpoint.
    """
    weights = newest_weights(directory)
    photos = load(directory.volume_root, dataset or directory.read_dataset_name() or "")
    drawn = [features(each) for each in _samples(weights, photos, count, seed, guidance)]
    seen = [features(each) for each in _photos(photos)]
    found, reference = torch.cat(drawn), torch.cat(seen)
    return Fid(
        distance=frechet_distance(found, reference),
        step=weights.step,
        samples=len(found),
        photos=len(reference),
        dataset=photos.name,
        dimensions=found.shape[1],
        sha256=sha256,
    )


def load_features(path: Path, sha256: str = INCEPTION_SHA256) -> Features:
    """The network of a TorchScript file; nothing of a file with another checksum is run.

    Raises:
        ConfigError: The file is missing, is another one, or holds no such network.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}",
            fix=f"curl -o inception.pt {INCEPTION_URL}, then --features inception.pt",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise ConfigError(
            f"{path} has sha256 {found}, not {sha256}; loading it would run what is in it",
            fix=f"if you trust the file: --sha256 {found}",
            code="features_not_trusted",
        )
    try:
        with warnings.catch_warnings():  # torch.jit is old, and so is the file everybody uses
            warnings.simplefilter("ignore", DeprecationWarning)
            network = torch.jit.load(  # type: ignore[no-untyped-call] # Torch left it out
                io.BytesIO(content), map_location="cpu"
            ).eval()
    except RuntimeError as error:
        raise ConfigError(
            f"{path} is no TorchScript file: {str(error).partition(chr(10))[0]}",
            fix="save it with torch.jit.save",
        ) from error
    # The Inception file answers with class scores unless it is asked for its features.
    names = [each.name for each in network.forward.schema.arguments]
    wanted = {"return_features": True} if "return_features" in names else {}

    @torch.no_grad()
    def features(images: Tensor) -> Tensor:
        answer: Tensor = network(images.permute(0, 3, 1, 2).contiguous(), **wanted)
        if answer.ndim != 2 or not answer.isfinite().all():
            raise ConfigError(
                f"{path} returned {tuple(answer.shape)} for {len(images)} images, not finite "
                "features [N, D]",
                fix="use a network that returns one row of features for each image",
            )
        return answer.double()

    return features


@torch.no_grad()
def _samples(
    weights: Weights, photos: Dataset, count: int, seed: int, guidance: float
) -> Iterator[Tensor]:
    model, config = model_of(weights), weights.config
    known = torch.from_numpy(photos.labels.copy()).clamp_max(len(weights.classes) - 1)
    chosen = torch.randint(len(known), (count,), generator=generator(seed, "fid labels"))
    for part in range(math.ceil(count / BATCH)):
        labels = known[chosen[part * BATCH : (part + 1) * BATCH]]
        shape = (len(labels), config.image_size, config.image_size, 3)
        images = sample(
            model,
            torch.randn(shape, generator=generator(seed, "fid", part)),
            labels,
            null_class=len(weights.classes),
            steps=config.sample_steps,
            guidance=guidance,
            sampler=config.sampler,
        )
        # Rounded to bytes, as the photos are.
        yield to_bytes(images)


def _photos(photos: Dataset) -> Iterator[Tensor]:
    for start in range(0, len(photos), BATCH):
        yield torch.from_numpy(np.array(photos.images[start : start + BATCH]))
