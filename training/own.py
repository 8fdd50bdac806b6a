"""Our own two models as declared trainings: what they are made of, started from, judged by.

They are started like anybody's script. What they learn by is the source in the key; the rest of
what the script imports is shipped beside it and changes no key.
"""

import dataclasses
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, Field

from training.compute.gpu import USUAL_GPU
from training.compute.image import PYTHON, pins
from training.compute.recipe import Recipe
from training.data.shard import DatasetManifest
from training.declare.data import Placed
from training.declare.order import order_of as declared_order
from training.declare.order import recipe_of
from training.declare.source import Source, files_of
from training.declare.training import Training
from training.judge.gates import gates_of, keep_of
from training.key import digest_of_files
from training.learn.config import Execution, TrainingConfig
from training.runner.order import Order
from training.store.directory import dataset_name

__all__ = [
    "COMMAND",
    "HOW",
    "NOT_IN_KEY",
    "declared",
    "in_processes",
    "key_settings",
    "order_of",
    "own_recipe",
    "own_source",
    "smoke_of",
]

COMMAND: Final = ("python", "-m", "training.script")

NOT_IN_KEY: Final = frozenset({"preset", "keep_last", "keep_every", "judged_share"})
"""A name, what is kept of a training, and a threshold: none of them changes a weight."""

HOW: Final = tuple(Execution.model_fields)
"""Settings that say how an attempt is run: they are in no key."""

_PACKAGE: Final = Path(__file__).resolve().parent
_LEARNED: Final = ("training/learn", "training/data/decode.py", "training/data/shard.py")
_BESIDE: Final = (
    *(f"training/{room}" for room in ("data", "judge", "runner", "script", "store")),
    *(f"training/{name}.py" for name in ("__init__", "contract", "errors", "key")),
)
"""What the script imports beside what it learns by."""


class _Dit(TrainingConfig, Execution):
    model: Literal["dit"] = "dit"
    preset: str = "tiny"


class _Classifier(TrainingConfig, Execution):
    model: Literal["classifier"] = "classifier"
    preset: str = "tiny"


class _Smoke(BaseModel):
    steps: int = Field(2, ge=1, description="optimizer steps")
    beside: str = Field("", description="digest of what is shipped beside the source")
    requirements: tuple[str, ...] = Field((), description="distributions that may be imported")


def own_source() -> Source:
    """What our models are started from."""
    learned = _source(_LEARNED)
    return dataclasses.replace(learned, beside=_source(_BESIDE, learned.files))


def _source(entries: Sequence[str], apart: Sequence[Path] = ()) -> Source:
    root = _PACKAGE.parent
    files = files_of(root, entries, apart)
    return Source(root, files, digest_of_files(root, files))


@cache
def declared(model: str) -> Training:
    """The declaration of a model.

    Raises:
        ImageError: A requirement is neither pinned nor installed here.
    """
    return Training(
        model,
        command=COMMAND,
        settings=_Dit if model == "dit" else _Classifier,
        source=_LEARNED,
        beside=_BESIDE,
        root=_PACKAGE.parent,
        requirements=pins(),
        python=PYTHON,
        gpu=USUAL_GPU,
        micro_batch="micro_batch",
        learning_rate="learning_rate",
        how=(*HOW[1:], *sorted(NOT_IN_KEY)),
        goal=f"trained_{model}",
    )


def own_recipe() -> Recipe:
    """What the image of our models is made of."""
    return recipe_of(declared("dit"))


def key_settings(config: TrainingConfig) -> dict[str, object]:
    """The values of a configuration that are part of the key."""
    return config.model_dump(mode="json", exclude=set(NOT_IN_KEY))


def order_of(
    config: TrainingConfig, dataset: DatasetManifest, how: Execution | None = None
) -> Order:
    """The training of a configuration on a dataset, with its key.

    Args:
        config: All settings.
        dataset: What is learned from.
        how: How attempts are run.
    """
    training = declared(config.model)
    kind = _Dit if config.model == "dit" else _Classifier
    executed = {} if how is None else how.model_dump()
    order = declared_order(
        training,
        kind.model_validate({**config.model_dump(), **executed}),
        own_source(),
        data=Placed(dataset.digest, dataset_name(dataset.digest), dataset.name),
    )
    # they depend on settings that are in no key
    return dataclasses.replace(order, gates=gates_of(config), keep=keep_of(config))


def in_processes(order: Order, count: int) -> Order:
    """The same training in several processes of one machine, each with a share of the batch."""
    if count == 1:
        return order
    several = ("python", "-m", "torch.distributed.run", "--standalone")
    words = (*several, f"--nproc-per-node={count}", *COMMAND[1:])
    return dataclasses.replace(order, command=words)


def smoke_of(source: Source) -> Order:
    """The training that proves the image: a few cats are drawn, and two steps made.

    What is shipped beside is none of a key, but a change of it is to be proven.
    """
    beside = "" if source.beside is None else source.beside.digest
    training = Training(
        "smoke",
        command=("python", "-m", "training.script.smoke"),
        settings=_Smoke,
        source=_LEARNED,
        beside=_BESIDE,
        root=_PACKAGE.parent,
        requirements=pins(),
        python=PYTHON,
    )
    names = tuple(pin.partition("==")[0] for pin in pins())
    return declared_order(training, _Smoke(beside=beside, requirements=names), source)
