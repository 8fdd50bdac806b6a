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
    │   └── PermissionRefused
    ├── SpendLimit               permanent (exit code 5)
    │   └── BudgetUsedUp
    ├── QuotaReached             permanent
    ├── Unreachable              transient (exit code 3)
    │   └── RateLimited
    └── ImageError               permanent
"""

from enum import StrEnum
from typing import ClassVar, Final

__all__ = [
    "IMAGE_INCOMPLETE",
    "INSTALL",
    "AuthenticationError",
    "BudgetUsedUp",
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
    "PermissionRefused",
    "QuotaReached",
    "RateLimited",
    "SpendLimit",
    "TrainingError",
    "Unreachable",
]

INSTALL = "python -m pip install 'goap-modal-agents[train]' (in a clone: make venv)"
"""What installs torch and the rest of what our models train with; a job's script brings its own."""


IMAGE_INCOMPLETE: Final = "image_incomplete"
"""What a proof or a training fails with that says: something it needs is not in the image."""


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

    A subclass names its code and its class in one line.

    Args:
        message: What happened and where.
        fix: What to type or change; empty when there is nothing to do.
        code: Stable machine name; that of the type unless given.
        failure_class: Overrides the class of the type.
    """

    usual_code: ClassVar[str] = "training_error"
    usual_class: ClassVar[FailureClass] = FailureClass.UNKNOWN

    def __init_subclass__(cls, *, code: str, failure_class: FailureClass | None = None) -> None:
        super().__init_subclass__()
        cls.usual_code = code
        cls.usual_class = failure_class or cls.usual_class

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
        self.code = code or self.usual_code
        self.failure_class = failure_class or self.usual_class

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}" if self.fix else self.message


class ConfigError(TrainingError, code="config_error", failure_class=FailureClass.PERMANENT):
    """A setting is unknown, or its value makes no sense."""


class DatasetError(TrainingError, code="dataset_error", failure_class=FailureClass.PERMANENT):
    """There are no usable photos where they were said to be."""


class DataError(DatasetError, code="data"):
    """Data that a declaration names is not there, or cannot be made."""


class CheckpointError(TrainingError, code="checkpoint_error", failure_class=FailureClass.PERMANENT):
    """A checkpoint is missing, incomplete or damaged."""


class NumericError(TrainingError, code="numeric_error", failure_class=FailureClass.NUMERIC):
    """The numbers of a training run went wrong."""


class LossNotFinite(NumericError, code="loss_not_finite"):
    """The loss became NaN or infinite."""


class LossCollapsed(NumericError, code="loss_collapsed"):
    """The loss fell to nothing at once: the objective is degenerate, nothing is being learned."""


class LossDiverged(NumericError, code="loss_diverged"):
    """The loss rose far above where it began and stayed there."""


class OutOfMemory(TrainingError, code="out_of_memory", failure_class=FailureClass.RESOURCE):
    """The device or the machine has no memory left for this batch."""


class DiskFull(TrainingError, code="disk_full", failure_class=FailureClass.RESOURCE):
    """The volume has no room left."""


class Interrupted(TrainingError, code="interrupted", failure_class=FailureClass.INTERRUPTED):
    """A signal or a deadline ended the run early; its state is saved."""


class AuthenticationError(
    TrainingError, code="authentication_error", failure_class=FailureClass.PERMANENT
):
    """No valid credentials; only a person can supply them (exit code 8)."""


class PermissionRefused(AuthenticationError, code="permission_denied"):
    """The credentials are accepted, and may not do this."""


class SpendLimit(TrainingError, code="spend_limit", failure_class=FailureClass.PERMANENT):
    """The platform takes no more work before somebody agrees to pay more (exit code 5)."""


class BudgetUsedUp(SpendLimit, code="budget_used_up"):
    """What may be spent on a day or in a month is used, or set aside for what runs."""


class QuotaReached(TrainingError, code="quota_reached", failure_class=FailureClass.PERMANENT):
    """There are as many of something as the platform allows."""


class Unreachable(TrainingError, code="unreachable", failure_class=FailureClass.TRANSIENT):
    """The other side does not answer; trying again later is safe."""


class RateLimited(Unreachable, code="rate_limited"):
    """The other side was asked too often; trying again later is safe."""


class ImageError(TrainingError, code="image_error", failure_class=FailureClass.PERMANENT):
    """The training image is incomplete: a module or a requirement is missing from it."""
