"""What can go wrong in training, said for the person who has to fix it.

The tree, with the failure class each one carries (recovery is planned from the class)::

    TrainingError                unknown
    ├── ConfigError              permanent
    ├── DatasetError             permanent
    ├── CheckpointError          permanent
    ├── NumericError             numeric
    │   ├── LossNotFinite
    │   ├── LossCollapsed
    │   └── LossDiverged
    ├── OutOfMemory              resource
    ├── DiskFull                 resource
    ├── Interrupted              interrupted
    ├── AuthenticationError      permanent (exit code 8)
    ├── Unreachable              transient
    └── ImageError               permanent
"""

from enum import StrEnum
from typing import ClassVar

__all__ = [
    "AuthenticationError",
    "CheckpointError",
    "ConfigError",
    "DatasetError",
    "DiskFull",
    "FailureClass",
    "ImageError",
    "Interrupted",
    "LossCollapsed",
    "LossDiverged",
    "LossNotFinite",
    "NumericError",
    "OutOfMemory",
    "TrainingError",
    "Unreachable",
]


class FailureClass(StrEnum):
    """Why something failed, in the only terms recovery needs."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    RESOURCE = "resource"
    NUMERIC = "numeric"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"


class TrainingError(Exception):
    """Something the user can act on: what happened and where, and the command that fixes it.

    Args:
        message: What happened and where.
        fix: What to type or change; empty when there is nothing to do.
        code: Stable machine name; the class name in snake case unless given.
        failure_class: Overrides the class of the type.
    """

    default_code: ClassVar[str] = "training_error"
    default_class: ClassVar[FailureClass] = FailureClass.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        code: str | None = None,
        failure_class: FailureClass | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.code = code or self.default_code
        self.failure_class = failure_class or self.default_class

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


class ConfigError(TrainingError):
    """A setting is unknown, or its value makes no sense."""

    default_code = "config_error"
    default_class = FailureClass.PERMANENT


class DatasetError(TrainingError):
    """There are no usable photos where they were said to be."""

    default_code = "dataset_error"
    default_class = FailureClass.PERMANENT


class CheckpointError(TrainingError):
    """A checkpoint is missing, incomplete or damaged."""

    default_code = "checkpoint_error"
    default_class = FailureClass.PERMANENT


class NumericError(TrainingError):
    """The numbers of a training run went wrong."""

    default_code = "numeric_error"
    default_class = FailureClass.NUMERIC


class LossNotFinite(NumericError):
    """The loss became NaN or infinite."""

    default_code = "loss_not_finite"


class LossCollapsed(NumericError):
    """The loss fell to nothing at once: the objective is degenerate, nothing is being learned."""

    default_code = "loss_collapsed"


class LossDiverged(NumericError):
    """The loss rose far above where it began and stayed there."""

    default_code = "loss_diverged"


class OutOfMemory(TrainingError):
    """The device or the machine has no memory left for this batch."""

    default_code = "out_of_memory"
    default_class = FailureClass.RESOURCE


class DiskFull(TrainingError):
    """The volume has no room left."""

    default_code = "disk_full"
    default_class = FailureClass.RESOURCE


class Interrupted(TrainingError):
    """A signal or a deadline ended the run early; its state is saved."""

    default_code = "interrupted"
    default_class = FailureClass.INTERRUPTED


class AuthenticationError(TrainingError):
    """No valid credentials; only a person can supply them (exit code 8)."""

    default_code = "authentication_error"
    default_class = FailureClass.PERMANENT


class Unreachable(TrainingError):
    """The other side does not answer; trying again later is safe."""

    default_code = "unreachable"
    default_class = FailureClass.TRANSIENT


class ImageError(TrainingError):
    """The training image is incomplete: a module or a requirement is missing from it."""

    default_code = "image_error"
    default_class = FailureClass.PERMANENT
