"""Errors that tell a user what happened and which command fixes it.

```
GoapError
├── UsageError            2   a wrong word on the command line or in a declaration
├── ActionFailed          1   a step or a gate failed; carries a failure class
│   ├── Transient         3   the same again later may succeed
│   └── Unauthenticated   8   no valid credentials
├── Unreachable           4   no plan: a fact that nothing can make true
├── NotApproved           5   a budget or an approval is in the way
├── StalePlan             6   the plan that was approved is not the plan of now
├── Locked                7   another run holds the state directory
├── LedgerDamaged         9   the ledger needs `doctor`
└── Interrupted         130   Ctrl-C or SIGTERM
```
"""

from enum import StrEnum
from typing import ClassVar

__all__ = [
    "ActionFailed",
    "FailureClass",
    "GoapError",
    "Interrupted",
    "LedgerDamaged",
    "Locked",
    "NotApproved",
    "StalePlan",
    "Transient",
    "Unauthenticated",
    "Unreachable",
    "UsageError",
]


class FailureClass(StrEnum):
    """What kind of failure a step had; decides whether trying again can help."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    RESOURCE = "resource"
    NUMERIC = "numeric"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"


class GoapError(Exception):
    """Base of every error this project raises on purpose.

    Args:
        message: What happened and where, in one sentence.
        fix: The command or the change that helps; may be empty.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class UsageError(GoapError):
    """A wrong word: an unknown goal, parameter, fact, or a bad declaration."""

    code = "usage"
    exit_code = 2


class ActionFailed(GoapError):
    """A step, or the gate that judges it, failed.

    Args:
        message: What happened and where.
        fix: What a person can do about it.
        failure_class: Decides which recoveries make sense.
        name: A short stable name of the failure, such as ``loss_collapsed``.
        progress: Any text that changes when the step got further than the last time;
            an interrupted step that made progress may be tried again for ever.
    """

    code = "action_failed"

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        failure_class: FailureClass = FailureClass.UNKNOWN,
        name: str = "failed",
        progress: str = "",
    ) -> None:
        super().__init__(message, fix=fix)
        self.failure_class = failure_class
        self.name = name
        self.progress = progress


class Transient(ActionFailed):
    """A failure outside of us that passes by itself, such as a server not answering."""

    code = "transient"
    exit_code = 3
    retryable = True

    def __init__(self, message: str, *, fix: str = "", name: str = "transient") -> None:
        super().__init__(message, fix=fix, failure_class=FailureClass.TRANSIENT, name=name)


class Unauthenticated(ActionFailed):
    """Credentials are missing, refused or expired; only a person can supply them."""

    code = "unauthenticated"
    exit_code = 8

    def __init__(self, message: str, *, fix: str = "", name: str = "unauthenticated") -> None:
        super().__init__(message, fix=fix, failure_class=FailureClass.PERMANENT, name=name)


class Unreachable(GoapError):
    """No plan reaches the goal; the message names the facts nothing can make true."""

    code = "unreachable"
    exit_code = 4


class NotApproved(GoapError):
    """The plan costs more than the cap, or needs an approval it does not have."""

    code = "not_approved"
    exit_code = 5


class StalePlan(GoapError):
    """The world changed since the plan with the given digest was shown."""

    code = "stale_plan"
    exit_code = 6


class Locked(GoapError):
    """Another run holds the lock of the state directory."""

    code = "locked"
    exit_code = 7
    retryable = True


class LedgerDamaged(GoapError):
    """The ledger cannot be read or written as it should be."""

    code = "ledger"
    exit_code = 9


class Interrupted(GoapError):
    """A person or the machine asked the run to stop; the next run continues."""

    code = "interrupted"
    exit_code = 130
    retryable = True
