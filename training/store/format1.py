"""What earlier versions wrote of our own two models, read as what is written now.

``spec.json`` of format 1 becomes an order, ``verdict.json`` without a format an ending. Nothing on
the volume is changed: such a training is listed, verified, exported and gone on with.
"""

from collections.abc import Mapping
from typing import Any

from training.errors import FailureClass
from training.judge.gates import completed, gates_of, keep_of
from training.key import KeyParts, training_key
from training.learn.config import TrainingConfig
from training.runner.ending import Ending, Failure, Reference
from training.runner.order import Order
from training.store.layout import DATASETS

__all__ = ["ending_of", "order_of"]

_COMMAND = ("python", "-m", "training.script")


def order_of(stored: Mapping[str, Any]) -> Order:
    """The order of a parsed ``spec.json`` of format 1.

    Raises:
        ValueError: It cannot be understood, or is not what its key was made of.
    """
    config = TrainingConfig.model_validate(stored["settings"])
    settings = config.model_dump(mode="json")
    key, data = str(stored["key"]), str(stored["data"])
    parts = _parts(stored["parts"])
    if parts is not None:
        changed = [name for name, value in parts.settings.items() if settings.get(name) != value]
        if key != training_key(parts) or data != parts.data or changed:
            told = f": {', '.join(changed)}" if changed else ""
            raise ValueError(f"it is not what key {key} was made of{told}")
    return Order(
        key=key,
        name=config.model,
        parts=parts or KeyParts((), settings, "", (), (), "", {}, data),
        settings={**settings, "micro_batch": None},
        command=_COMMAND,
        target="steps",
        micro_batch="micro_batch",
        learning_rate="learning_rate",
        label=str(stored["label"]),
        data_path=f"{DATASETS}/{data}",
        gates=gates_of(config),
        keep=keep_of(config),
        earlier=True,
    )


def _parts(stored: Mapping[str, Any] | None) -> KeyParts | None:
    """What the key is made of; None for a training of an earlier formula."""
    if stored is None:
        return None
    listed = {name: tuple(stored[name]) for name in ("command", "requirements", "apt")}
    return KeyParts(**{**stored, **listed})


def ending_of(stored: Mapping[str, Any]) -> Ending:
    """The ending of a parsed ``verdict.json`` that an earlier version wrote.

    Raises:
        ValueError: It cannot be understood.
    """
    failure, checkpoint, samples = (stored.get(n) for n in ("failure", "checkpoint", "samples"))
    numbers = completed({**stored["metrics"], "images_per_second": stored["images_per_second"]})
    return Ending(
        key=stored["training_key"],
        name=stored["model"],
        status=stored["status"],
        step=stored["step"],
        target_step=stored["target_step"],
        attempts=stored["attempts"],
        seconds=stored["seconds"],
        started=stored["started"],
        ended=stored["ended"],
        failure=failure
        and Failure(FailureClass(failure["failure_class"]), failure["name"], failure["message"]),
        numbers=numbers,
        about={name: str(stored[name]) for name in ("dtype", "threads", "torch")},
        checkpoint=checkpoint and Reference(**checkpoint),
        samples=samples and Reference(**samples),
        device=stored["device"],
    )
