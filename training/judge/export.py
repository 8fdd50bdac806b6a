"""Taking a trained model out: its averaged weights alone, or what it draws."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save
from torch import Tensor

from training.data.shard import read_manifest
from training.errors import CheckpointError, ConfigError
from training.judge.sampling import grid_png, sample
from training.learn.config import TrainingConfig
from training.learn.diffusion import DiffusionTask
from training.learn.dit import TinyDiT
from training.learn.randomness import generator
from training.store.checkpoints import CheckpointStore
from training.store.durable import write_whole
from training.store.result import TrainingDirectory


@dataclass(frozen=True)
class Weights:
    """Averaged weights and what is needed to use them.

    Attributes:
        config: What was trained.
        classes: Names of the classes, in the order of their indices.
        synthetic: Whether the photos were drawings.
        step: Steps done.
        tensors: By parameter name.
    """

    config: TrainingConfig
    classes: tuple[str, ...]
    synthetic: bool
    step: int
    tensors: dict[str, Tensor]


def newest_weights(directory: TrainingDirectory, average: str = "ema") -> Weights:
    """Return an average of the newest valid checkpoint.

    Raises:
        ConfigError: There is no such training, or it has no such average.
        CheckpointError: It has no valid checkpoint.
    """
    config, name = directory.read_config(), directory.read_dataset_name()
    manifest = None if name is None else read_manifest(directory.volume_root, name)
    if config is None or manifest is None:
        raise ConfigError(
            f"no training {directory.key} with its dataset in {directory.volume_root}",
            fix=f"python -m training list --volume {directory.volume_root}",
        )
    store = CheckpointStore(directory.checkpoints_path(config.model))
    entry = store.newest_valid()
    if entry is None:
        raise CheckpointError(
            f"{directory.key} has no valid checkpoint",
            fix=f"python -m training train --volume {directory.volume_root} --key {directory.key}",
        )
    there = [name.removesuffix(".safetensors") for name in sorted(entry.manifest.files)]
    averages = [name for name in there if name.startswith("ema")]
    if average not in averages:
        raise ConfigError(
            f"step {entry.step} of {directory.key} holds no average {average}",
            fix=f"use one of: {', '.join(averages)}",
        )
    tensors, _ = store.read(entry, only=[average])
    synthetic = manifest.kind == "synthetic"
    return Weights(config, manifest.classes, synthetic, entry.step, tensors[average])


def model_of(weights: Weights) -> TinyDiT:
    """Return the model that draws with these weights.

    Raises:
        ConfigError: They are those of a model that draws nothing.
    """
    if weights.config.model != "dit":
        raise ConfigError(
            f"a {weights.config.model} draws nothing",
            fix="name the key of a dit: python -m training list",
        )
    model = DiffusionTask(weights.config, len(weights.classes)).build().eval()
    model.load_state_dict(weights.tensors)
    return model


def export(directory: TrainingDirectory, out: Path, average: str = "ema") -> int:
    """Write one safetensors file with an average's weights, and return its step.

    The file's metadata holds the configuration, the classes, the key and the step, as JSON texts;
    of a finished classifier its temperature too.

    Raises:
        CheckpointError: There is nothing to export.
    """
    weights = newest_weights(directory, average)
    about = {
        "config": weights.config.model_dump_json(),
        "classes": json.dumps(weights.classes),
        "training_key": directory.key,
        "step": str(weights.step),
        "source": "SYNTHETIC" if weights.synthetic else "photos",
    }
    result = directory.read_result()
    if result is not None and result.step == weights.step and "temperature" in result.metrics:
        # scores divided by it give probabilities that can be believed
        about["temperature"] = str(result.metrics["temperature"])
    write_whole(
        out.absolute(), save({k: v.contiguous() for k, v in weights.tensors.items()}, about)
    )
    return weights.step


def draw(
    directory: TrainingDirectory,
    out: Path,
    *,
    count: int,
    seed: int = 0,
    label: str | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: Literal["heun", "euler"] | None = None,
) -> int:
    """Write a grid of samples as PNG, and return the step of the checkpoint they are from.

    Args:
        directory: The training, of a TinyDiT.
        out: The file.
        count: How many samples.
        seed: Which samples.
        label: Name of the class wanted; all in turn when None.
        guidance: As configured when None.
        steps: As configured when None.
        sampler: As configured when None.

    Raises:
        ConfigError: The model draws nothing, or has no such class.
    """
    if out.suffix.lower() != ".png":
        raise ConfigError(f"{out} is no .png file", fix=f"name it {out.with_suffix('.png')}")
    weights = newest_weights(directory)
    config = weights.config
    images = sample(
        model_of(weights),
        torch.randn(
            count, config.image_size, config.image_size, 3, generator=generator(seed, "draw")
        ),
        _labels(weights, label, count),
        null_class=len(weights.classes),
        steps=steps or config.sample_steps,
        guidance=guidance or (config.guidance if len(weights.classes) > 1 else 1.0),
        sampler=sampler or config.sampler,
    )
    caption = "SYNTHETIC" if weights.synthetic else ""
    about = [("training", directory.key), ("step", str(weights.step))]
    about += [("source", caption)] if caption else []
    write_whole(out.absolute(), grid_png(images, caption=caption, about=about))
    return weights.step


def _labels(weights: Weights, label: str | None, count: int) -> Tensor:
    if label is None:
        return torch.arange(count) % len(weights.classes)
    if label not in weights.classes:
        raise ConfigError(
            f"the model knows no {label}", fix=f"use one of: {', '.join(weights.classes)}"
        )
    return torch.full((count,), weights.classes.index(label))
