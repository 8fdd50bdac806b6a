"""From a declaration to an order: what a runner carries, with its key."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from training.compute.gpu import gpu_names
from training.compute.recipe import Hardware, Recipe
from training.declare.data import Placed
from training.declare.requirements import pins_of
from training.declare.settings import values_of
from training.declare.source import Source
from training.errors import ConfigError
from training.key import KeyParts, training_key
from training.runner.command import words_of
from training.runner.order import Checkpoints, Init, Order

if TYPE_CHECKING:
    from pydantic import BaseModel

    from training.declare.training import Training

__all__ = ["hardware_of", "order_of", "recipe_of", "smoke_order"]

_SHELL = ("sh", "-c")
"""What a command for a shell begins with in the key: the same words without one are another."""


def order_of(
    training: "Training",
    settings: "BaseModel | None",
    source: Source,
    *,
    data: Placed | None = None,
    init: Init | None = None,
) -> Order:
    """The order of a training with these settings, with its key.

    Args:
        training: The declaration.
        settings: All values; None: the declared ones.
        source: What it declares, as it is now.
        data: Where its data is, if it has any.
        init: What it begins with, if it begins with something.

    Raises:
        ConfigError: A value is a number that is not finite.
    """
    words = words_of(training.command, shell=training.shell)
    recipe, values = recipe_of(training), _values(training, settings)
    parts = KeyParts(
        command=(*_SHELL, *words) if training.shell else words,
        settings={name: value for name, value in values.items() if name not in training.not_in_key},
        source=source.digest,
        requirements=recipe.requirements,
        apt=recipe.apt,
        python=recipe.python,
        env=dict(training.env),
        data="" if data is None else data.digest,
        init="" if init is None else init.digest,
    )
    order = Order(training_key(parts), training.name, parts, values, words, training.shell)
    order = dataclasses.replace(
        _with_policy(order, training), init=init, image=recipe.fingerprint()
    )
    if data is None:
        return order
    return dataclasses.replace(order, label=data.label, data_path=data.path, bucket=data.bucket)


def _values(training: "Training", settings: "BaseModel | None") -> dict[str, Any]:
    if settings is None and training.settings is not None:
        settings = training.settings()
    try:
        return values_of(settings)
    except ValueError as error:
        raise ConfigError(f"{training.name}: {error}", fix="say another value") from error


def _with_policy(order: Order, training: "Training") -> Order:
    """With what is in no key: it is that of now whenever a training is launched."""
    return dataclasses.replace(
        order,
        target=training.target,
        micro_batch=training.micro_batch,
        learning_rate=training.learning_rate,
        checkpoints=Checkpoints(training.checkpoints or Checkpoints().pattern, training.complete),
        metrics=training.metrics,
        result=training.result,
        gates=tuple(training.gates),
        keep=training.keep,
        retry_exit_codes=tuple(training.retry_exit_codes),
    )


def smoke_order(
    training: "Training",
    source: Source,
    *,
    data: Placed | None = None,
    init: Init | None = None,
) -> Order | None:
    """The order of the proof that the image works: a few steps, not judged; None without one.

    Args:
        training: The declaration; `Training.smoke` says the settings.
        source: As of `order_of`.
        data: As of `order_of`.
        init: As of `order_of`.
    """
    if not training.smoke or training.settings is None:
        return None
    settings = training.settings.model_validate(dict(training.smoke))
    order = order_of(training, settings, source, data=data, init=init)
    return dataclasses.replace(order, name=f"{training.name}_smoke", gates=())


def recipe_of(training: "Training") -> Recipe:
    """What the image of a training is made of, as its files say now.

    Raises:
        RequirementError: A file of requirements is gone, or cannot be understood any more.
    """
    return Recipe(
        requirements=pins_of(training.folder, training.requirements),
        apt=tuple(sorted(set(training.apt))),
        python=training.python,
    )


def hardware_of(
    training: "Training", gpu: str | None = None, queue_timeout: float | None = None
) -> Hardware:
    """What a training is to run on.

    Args:
        training: The declaration.
        gpu: What is asked for instead of what is declared, several with commas between.
        queue_timeout: Seconds for which a call waits for it at most; None: for ever.

    Raises:
        ConfigError: There is no such GPU.
    """
    try:
        names = gpu_names(training.gpu if gpu is None else gpu.split(","))
    except ValueError as error:
        raise ConfigError(str(error), fix="gpu=A10G") from error
    return Hardware(
        gpu=names,
        cpu=training.cpu,
        memory=training.memory,
        region=training.region,
        secrets=tuple(training.secrets),
        timeout=training.timeout,
        queue_timeout=queue_timeout,
        tags=_pairs(training.tags),
        nodes=training.nodes,
    )


def making_hardware(training: "Training") -> Hardware:
    """What a command that makes data runs on: a processor suffices, of one machine."""
    return dataclasses.replace(hardware_of(training), gpu=(), nodes=1)


def _pairs(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tags.items()))
