"""Errors that tell a user what happened and which command fixes it.

```
GoapError
├── UsageError            2   a wrong word on the command line or in a declaration
├── ActionFailed          1   a step or a gate failed; carries a failure class
│   ├── Permanent         1   the same again would fail again
│   ├── Transient         3   the same again later may succeed
│   ├── Unserved          3   there was no room for it in the time that was given
│   ├── Unauthenticated   8   no valid credentials
│   ├── WrongWord         2   what was asked for has a word in it that names nothing
│   └── NotPaid           5   somebody has to agree to pay more
├── Unreachable           4   no plan: a fact that nothing can make true
├── NotApproved           5   a budget or an approval is in the way
├── StalePlan             6   the plan that was approved is not the plan of now
├── Locked                7   another run is for the same, or holds what a step touches
├── LedgerDamaged         9   the ledger needs `doctor`
└── Interrupted         130   Ctrl-C or SIGTERM
```
"""

import errno
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

__all__ = [
    "ActionFailed",
    "FailureClass",
    "GoapError",
    "Interrupted",
    "LedgerDamaged",
    "Locked",
    "NotApproved",
    "NotPaid",
    "Permanent",
    "StalePlan",
    "Transient",
    "Unauthenticated",
    "Unreachable",
    "Unserved",
    "UsageError",
    "WrongWord",
    "disk_full",
    "nearest",
    "unusable",
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
    """Base of every error this project raises on purpose; a subclass names its code in one line.

    Args:
        message: What happened and where, in one sentence.
        fix: The command or the change that helps; may be empty.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init_subclass__(
        cls, *, code: str = "", exit_code: int | None = None, retryable: bool = False
    ) -> None:
        super().__init_subclass__()
        cls.code = code or cls.code
        cls.exit_code = cls.exit_code if exit_code is None else exit_code
        cls.retryable = retryable or cls.retryable

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class UsageError(GoapError, code="usage", exit_code=2):
    """A wrong word: an unknown goal, parameter, fact, or a bad declaration."""


class ActionFailed(GoapError, code="action_failed"):
    """A step, or the gate that judges it, failed.

    Args:
        message: What happened and where.
        fix: What a person can do about it.
        failure_class: Decides which recoveries make sense; that of the class unless given.
        name: A short stable name of the failure, such as ``disk_full``; that of the class unless
            given.
        progress: Any text that changes when the step got further than the last time;
            an interrupted step that made progress may be tried again for ever.
        traceback: Where it came from, if nobody foresaw it.
    """

    usual_class: ClassVar[FailureClass] = FailureClass.UNKNOWN
    usual_name: ClassVar[str] = "failed"

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        failure_class: FailureClass | None = None,
        name: str = "",
        progress: str = "",
        traceback: str = "",
    ) -> None:
        super().__init__(message, fix=fix)
        self.failure_class = failure_class or self.usual_class
        self.name = name or self.usual_name
        self.progress = progress
        self.traceback = traceback


class Permanent(ActionFailed):
    """A failure that the same again would meet again: something has to be changed first."""

    usual_class = FailureClass.PERMANENT


class Transient(ActionFailed, code="transient", exit_code=3, retryable=True):
    """A failure outside of us that passes by itself, such as a server not answering."""

    usual_class = FailureClass.TRANSIENT
    usual_name = "transient"


class Unserved(Permanent, code="unserved", exit_code=3, retryable=True):
    """There was no room for it in the time that was given; only a person knows if to wait again."""

    usual_name = "unserved"


class Unauthenticated(Permanent, code="unauthenticated", exit_code=8):
    """Credentials are missing, refused or expired; only a person can supply them."""

    usual_name = "unauthenticated"


class WrongWord(Permanent, code="wrong_word", exit_code=2):
    """Only the other side knew that a word names nothing there, and said so."""

    usual_name = "wrong_word"


class NotPaid(Permanent, code="not_paid", exit_code=5):
    """The other side works no more before somebody agrees to pay more."""

    usual_name = "not_paid"


class Unreachable(GoapError, code="unreachable", exit_code=4):
    """No plan reaches the goal; the message names the facts nothing can make true."""


class NotApproved(GoapError, code="not_approved", exit_code=5):
    """The plan costs more than the cap, or needs an approval it does not have."""


class StalePlan(GoapError, code="stale_plan", exit_code=6):
    """The world changed since the plan with the given digest was shown."""


class Locked(GoapError, code="locked", exit_code=7, retryable=True):
    """Another run is for the same, or holds what a step touches."""


class LedgerDamaged(GoapError, code="ledger", exit_code=9):
    """The ledger cannot be read or written as it should be."""


class Interrupted(GoapError, code="interrupted", exit_code=130, retryable=True):
    """A person or the machine asked the run to stop; the next run continues."""


def nearest(name: str, names: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the closest of ``names``, or nothing."""
    import difflib  # noqa: PLC0415 - only when a word is wrong

    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def disk_full(error: Exception, where: str = "the state directory") -> ActionFailed | None:
    """The failure that an error of the system stands for when there is no space left; else None."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return ActionFailed(
        f"no space left on the disk of {error.filename or where}",
        fix="free some space, then run the same command again",
        failure_class=FailureClass.RESOURCE,
        name="disk_full",
    )


def unusable(state: Path, error: OSError) -> GoapError:
    """Why nothing can be written to the state directory, as the error that ends a command."""
    shown = str(state) if len(str(state)) <= 120 else f"{str(state)[:120]}…"
    return disk_full(error, shown) or UsageError(
        f"the state directory {shown} cannot be used: {error.strerror}",
        fix="name a directory that can be written to: state=DIR",
    )
