"""Taking a trained model out: its averaged weights alone, or what it draws."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from safetensors.torch import save
from torch import Tensor

from training.data.shard import DatasetManifest, read_manifest, verify
from training.errors import CheckpointError, ConfigError, DatasetError
from training.judge.sampling import grid_png, sample
from training.learn.config import TrainingConfig, config_of
from training.learn.diffusion import DiffusionTask
from training.learn.dit import TinyDiT
from training.learn.loop import TASKS
from training.learn.randomness import generator
from training.runner.order import Order
from training.runner.sealed import Checkpoint
from training.store.directory import TrainingDirectory
from training.store.durable import write_whole
from training.store.fit import check_fit
from training.store.names import step_name
from training.store.weights import read_weights

Report: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class Weights:
    """Averaged weights and what is needed to use them.

    Attributes:
        key: The training.
        config: All settings.
        dataset: What was learned from.
        step: Steps done.
        tensors: By parameter name.
    """

    key: str
    config: TrainingConfig
    dataset: DatasetManifest
    step: int
    tensors: dict[str, Tensor]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their indices."""
        return self.dataset.classes

    @property
    def synthetic(self) -> bool:
        """Whether the photos were drawings."""
        return self.dataset.kind == "synthetic"


def weights_of(
    directory: TrainingDirectory, report: Report, average: str = "ema", step: int | None = None
) -> Weights:
    """Return an average of the newest valid checkpoint, or of that of one step.

    Args:
        directory: The training.
        report: Told of each checkpoint that is newer than the one used, and why it is not.
        average: Which average.
        step: This one and no other.

    Raises:
        ConfigError: There is no such training, or it has no such average.
        DatasetError: Its dataset, which names the classes, is gone.
        CheckpointError: It has no valid checkpoint, or that of `step` is not valid.
    """
    order, dataset = _order_and_dataset(directory)
    config = config_of(order.settings)
    model = TASKS[config.model](config, len(dataset.classes)).build()
    store = directory.store(order)
    refused = _Refused()
    _add_the_last(directory, refused)
    entries = [each for each in store.entries(refused.add) if step in (None, each.step)]
    _check_average(entries, directory.key, average)
    for entry in reversed(entries):
        try:
            tensors = read_weights(entry, average)
            check_fit(entry.path, {average: tensors}, {average: dict(model.named_parameters())})
        except CheckpointError as error:
            refused.add(entry.path.name, error.message)
            continue
        if step is None:
            refused.tell(report, entry.path.name)
        return Weights(order.key, config, dataset, entry.step, tensors)
    raise _nothing_valid(directory, refused, step)


def _order_and_dataset(directory: TrainingDirectory) -> tuple[Order, DatasetManifest]:
    order = directory.read_order()
    if order is None:
        raise ConfigError(
            f"no training {directory.key} in {directory.root}",
            fix=f"python -m training list --volume {directory.root}",
        )
    if order.name not in TASKS:
        raise ConfigError(
            f"training {directory.key} is of {order.name}, which is no model of ours",
            fix=f"its checkpoints are in {directory.checkpoints_path}; its own script reads them",
        )
    if read_manifest(directory.root, order.data) is None:
        raise DatasetError(
            f"dataset {order.data[:12]} ({order.label}) of training {directory.key} is not in "
            f"{directory.root}, and it names the classes",
            fix="bring it back: python -m training prepare FOLDER, with the photos as they were",
            code="dataset_missing",
        )
    # names that were changed since would be written into the model
    return order, verify(directory.root, order.data)


def _add_the_last(directory: TrainingDirectory, refused: "_Refused") -> None:
    """The checkpoint that the training ended with, where it is gone."""
    ending = directory.read_ending()
    last = ending.checkpoint if ending is not None else None
    if last is not None and not directory.holds(last):
        name = Path(last.path).name
        refused.add(name, f"checkpoint {name} is gone, and the training ended with it")


@dataclass
class _Refused:
    """The checkpoints that were passed over, by name, each with its reason."""

    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, why: str) -> None:
        self.reasons[name] = why

    def tell(self, report: Report, used: str) -> None:
        """Say what is newer than the one that is used."""
        for name in sorted(self.reasons, reverse=True):
            if name > used:
                report(f"{name} is passed over: {self.reasons[name]}")


def _nothing_valid(
    directory: TrainingDirectory, refused: _Refused, step: int | None
) -> CheckpointError:
    go_on = f"python -m training train --volume {directory.root} --key {directory.key}"
    if step is None:
        listed = "".join(f"\n  {name}: {why}" for name, why in refused.reasons.items())
        return CheckpointError(f"{directory.key} has no valid checkpoint{listed}", fix=go_on)
    why = refused.reasons.get(step_name(step), "there is none")
    return CheckpointError(
        f"step {step} of {directory.key} cannot be used: {why}",
        fix=f"leave out --step for the newest valid one, or go on: {go_on}",
    )


def _check_average(entries: Sequence[Checkpoint], key: str, average: str) -> None:
    """Whether the training has such an average; one checkpoint may lack it all the same."""
    files = {name for entry in entries for name in entry.files}
    averages = sorted(name.removesuffix(".safetensors") for name in files if name[:3] == "ema")
    if entries and average not in averages:
        raise ConfigError(
            f"training {key} holds no average {average}",
            fix=f"use one of: {', '.join(averages)}",
        )


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


def export(
    directory: TrainingDirectory,
    out: Path,
    report: Report,
    *,
    average: str = "ema",
    step: int | None = None,
) -> int:
    """Write one safetensors file with an average's weights, and return its step.

    The file's metadata holds the configuration, the classes, the key, the digest of the dataset and
    the step, as JSON texts; of a finished classifier its temperature too.

    Args:
        directory: The training.
        out: The file.
        report: As for `weights_of`.
        average: Which average.
        step: This checkpoint and no other; the newest valid one when None.

    Raises:
        CheckpointError: There is nothing to export.
    """
    weights = weights_of(directory, report, average, step)
    about = {
        "config": weights.config.model_dump_json(),
        "classes": json.dumps(weights.classes),
        "training_key": directory.key,
        "dataset": weights.dataset.digest,
        "step": str(weights.step),
        "source": "SYNTHETIC" if weights.synthetic else "photos",
    }
    ending = directory.read_ending()
    if ending is not None and ending.step == weights.step and "temperature" in ending.numbers:
        # scores divided by it give probabilities that can be believed
        about["temperature"] = str(ending.numbers["temperature"])
    write_whole(
        out.absolute(), save({k: v.contiguous() for k, v in weights.tensors.items()}, about)
    )
    return weights.step


def draw(
    weights: Weights,
    out: Path,
    *,
    count: int,
    seed: int = 0,
    label: str | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: Literal["heun", "euler"] | None = None,
) -> int:
    """Write a grid of samples of a TinyDiT as PNG, and return the step of the weights.

    Args:
        weights: Those that draw.
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
    config = weights.config
    images = sample(
        model_of(weights),
        _noise(count, config.image_size, seed),
        _labels(weights, label, count),
        null_class=len(weights.classes),
        steps=steps or config.sample_steps,
        guidance=guidance or (config.guidance if len(weights.classes) > 1 else 1.0),
        sampler=sampler or config.sampler,
    )
    write_whole(out.absolute(), _grid(weights, images))
    return weights.step


def _noise(count: int, size: int, seed: int) -> Tensor:
    return torch.randn(count, size, size, 3, generator=generator(seed, "draw"))


def _grid(weights: Weights, images: Tensor) -> bytes:
    """The samples as one picture that says what drew them."""
    caption = "SYNTHETIC" if weights.synthetic else ""
    about = [("training", weights.key), ("step", str(weights.step))]
    about += [("source", caption)] if caption else []
    return grid_png(images, caption=caption, about=about)


def _labels(weights: Weights, label: str | None, count: int) -> Tensor:
    if label is None:
        return torch.arange(count) % len(weights.classes)
    if label not in weights.classes:
        raise ConfigError(
            f"the model knows no {label}", fix=f"use one of: {', '.join(weights.classes)}"
        )
    return torch.full((count,), weights.classes.index(label))
