"""Whether the tensors of a checkpoint are those that a model needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from training.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Tensors", "check_fit", "invalid"]

Tensors: TypeAlias = Mapping[str, Mapping[str, "Tensor"]]
"""By file stem (``model``, ``ema``, ``optimizer``) and name."""


def check_fit(path: Path, tensors: Tensors, into: Tensors) -> None:
    """Return when the tensors read from a checkpoint are those that are needed, by name and shape.

    Raises:
        CheckpointError: One is missing, or has another shape or type.
    """
    for stem, part in into.items():
        for name, wanted in part.items():
            tensor = tensors.get(stem, {}).get(name)
            if tensor is None:
                raise invalid(path, f"{stem} holds no tensor {name}")
            if (tensor.shape, tensor.dtype) != (wanted.shape, wanted.dtype):
                shapes = f"{_shape(tensor)}, and the model has {_shape(wanted)}"
                raise invalid(path, f"{stem} holds {name} as {shapes}")


def _shape(tensor: "Tensor") -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def invalid(path: Path, why: str) -> CheckpointError:
    """The error that says why a checkpoint is not believed."""
    return CheckpointError(
        f"checkpoint {path.name} is not valid: {why}",
        fix="nothing: the newest valid one is used; python -m training verify lists them all",
        code="checkpoint_invalid",
    )
