"""What the platform refuses, in this project's words: each refusal with its own name and fix.

The client has a type for each status of gRPC (`modal/exception.py`, the same in 1.5.4 and 1.6.4).
Most refusals are told by that type. Some statuses stand for many refusals, and those are told by
what comes with them, and in the end by their words: those that the platform was seen to use.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpclib
import grpclib.exceptions
import modal.exception
from grpclib.const import Status
from modal.config import config

from training.compute.modal.token import ACCEPTED, LOG_IN
from training.errors import (
    AuthenticationError,
    BudgetUsedUp,
    ConfigError,
    DiskFull,
    FailureClass,
    PermissionRefused,
    QuotaReached,
    RateLimited,
    SpendLimit,
    TrainingError,
    Unreachable,
)

__all__ = ["UPGRADE", "is_definite", "modal_errors", "no_such_environment", "refusal", "words_of"]

UPGRADE: Final = "python -m pip install -U 'modal>=1.5,<1.7'"

_STATUS: Final = {
    modal.exception.AuthError: Status.UNAUTHENTICATED,
    modal.exception.PermissionDeniedError: Status.PERMISSION_DENIED,
    modal.exception.ResourceExhaustedError: Status.RESOURCE_EXHAUSTED,
    modal.exception.NotFoundError: Status.NOT_FOUND,
    modal.exception.AlreadyExistsError: Status.ALREADY_EXISTS,
    modal.exception.UnimplementedError: Status.UNIMPLEMENTED,
    modal.exception.ConflictError: Status.FAILED_PRECONDITION,
    modal.exception.InvalidError: Status.INVALID_ARGUMENT,
    modal.exception.ServiceError: Status.UNAVAILABLE,
    modal.exception.InternalError: Status.INTERNAL,
}
"""The status that each of the client's types stands for; a conflict is an invalid request too."""

_DEFINITE: Final = (
    *(Status.UNAUTHENTICATED, Status.PERMISSION_DENIED, Status.RESOURCE_EXHAUSTED),
    *(Status.NOT_FOUND, Status.UNIMPLEMENTED, Status.FAILED_PRECONDITION),
    Status.INVALID_ARGUMENT,
)
"""What says that nothing was done. Any other leaves open whether the request arrived."""

_NO_ANSWER: Final = (
    modal.exception.ConnectionError,
    modal.exception.ServiceError,
    modal.exception.InternalError,
    modal.exception.VolumeUploadTimeoutError,
    modal.exception.ClientClosed,
    grpclib.exceptions.StreamTerminatedError,
)

_LATER: Final = (
    *(Status.UNAVAILABLE, Status.INTERNAL, Status.UNKNOWN, Status.CANCELLED),
    *(Status.DEADLINE_EXCEEDED, Status.ABORTED),
)
"""Where an error of gRPC itself comes through: what may pass by itself."""

ASK_FOR_MORE: Final = (
    "modal token info says whose token it is; somebody who manages the workspace can give it the "
    "right, or make another token"
)

_SPEND: Final = re.compile(r"spend(ing)? limit|billing|budget|out of credit|payment", re.I)
_RATE: Final = re.compile(r"rate.?limit|too many requests|throttl|too quickly|slow down", re.I)
_DISK: Final = re.compile(r"no space left|disk.{0,12}full|disk quota|\binodes?\b", re.I)
_OLD: Final = re.compile(r"client.?version|version of the (modal )?client|upgrade to|too old", re.I)
_GPU: Final = re.compile(r"\bGPU\b", re.I)
# not "App 'x' not found in environment 'main'", which is about the app
_ENVIRONMENT: Final = re.compile(
    r"environment ['\"]?[^'\" ]+['\"]? (was |is )?(not found|does not exist)", re.I
)
_EXPIRED: Final = re.compile(r"\bexpired\b", re.I)
_SECRET: Final = re.compile(r"\b(as|ws)-[A-Za-z0-9]{6,}")


@contextmanager
def modal_errors(what: str) -> Iterator[None]:
    """Say what the client raises in this project's words.

    Raises:
        AuthenticationError: The token is missing, refused or expired.
        PermissionRefused: The token may not do that.
        SpendLimit: The workspace may spend no more.
        RateLimited: Too many requests.
        QuotaReached: The workspace has as many of something as it may have.
        DiskFull: The volume takes no more.
        ConfigError: There is no such environment, or no such GPU.
        Unreachable: No answer, or one that says to try later. Never a statement about what is
            there: unknown is not absent.
        TrainingError: The client is too old, or a result is gone.
    """
    try:
        yield
    except (
        modal.exception.Error,
        grpclib.GRPCError,
        grpclib.exceptions.StreamTerminatedError,
    ) as error:
        found = refusal(what, error)
        if found is None:
            raise
        if isinstance(found, AuthenticationError) and not isinstance(found, PermissionRefused):
            ACCEPTED.clear()
        raise found from error


def refusal(what: str, error: Exception) -> TrainingError | None:
    """What an error of the client says; None where it is none of the platform's refusals.

    Args:
        what: What was being done.
        error: As the client raised it.
    """
    text = f"{what}: {words_of(error)}"
    status = _status(error)
    if isinstance(error, modal.exception.VersionError) or _is_too_old(status, error):
        permanent = FailureClass.PERMANENT
        return TrainingError(text, fix=UPGRADE, code="client_too_old", failure_class=permanent)
    if status is Status.RESOURCE_EXHAUSTED:
        return _exhausted(text, error)
    if status is Status.UNAUTHENTICATED:
        return _unauthenticated(text, error)
    if status is Status.PERMISSION_DENIED:
        return PermissionRefused(text, fix=ASK_FOR_MORE)
    return _not_there(text, status, error) or _no_answer(text, status, error)


def _not_there(text: str, status: Status | None, error: Exception) -> TrainingError | None:
    """What names something that is not there, or is there no longer."""
    if status is Status.NOT_FOUND and _ENVIRONMENT.search(str(error)):
        return no_such_environment(text)
    if status is Status.INVALID_ARGUMENT and _GPU.search(str(error)):
        fix = "say another one: gpu=A10G; docs/training-declaration.md lists them"
        return ConfigError(text, fix=fix, code="unknown_gpu")
    if isinstance(error, modal.exception.OutputExpiredError):
        return Unreachable(text, fix="run the same command again", code="result_expired")
    return None


def _no_answer(text: str, status: Status | None, error: Exception) -> TrainingError | None:
    if isinstance(error, _NO_ANSWER) or (type(error) is grpclib.GRPCError and status in _LATER):
        return Unreachable(text, fix="run the same command again", code="modal_unreachable")
    return None


def is_definite(error: BaseException) -> bool:
    """Whether a request was refused, so that nothing was done."""
    return isinstance(error, BudgetUsedUp) or (
        isinstance(error, Exception) and _status(error) in _DEFINITE
    )


def words_of(error: BaseException) -> str:
    """The words of an error, without any secret that they may repeat."""
    return without_secrets(str(error) or type(error).__name__)


def without_secrets(text: str) -> str:
    """A text without our token, and without what looks like one."""
    secret = config.get("token_secret")
    if secret:
        text = text.replace(str(secret), "***")
    return _SECRET.sub(r"\1-***", text)


def no_such_environment(text: str) -> ConfigError:
    """The error of an environment of the workspace that is not there."""
    return ConfigError(
        text,
        fix="modal environment list, then MODAL_ENVIRONMENT=NAME in front of the command; or\n"
        "modal environment create NAME",
        code="no_such_environment",
    )


def _exhausted(text: str, error: Exception) -> TrainingError:
    """One status for many refusals: told by what comes with it, else by its words."""
    words = str(error)
    if _SPEND.search(words):
        return SpendLimit(
            text,
            fix="raise the limit of the workspace (https://modal.com/settings/usage), or wait "
            "for the next billing cycle; then the same command goes on; or train here: "
            "compute=local",
        )
    if _says_when(error) or _RATE.search(words):
        return RateLimited(text, fix="wait a minute, then run the same command again")
    if _DISK.search(words):
        return DiskFull(text, fix="prune checkpoints, or another volume=")
    return QuotaReached(
        text,
        fix="stop or delete what is not needed (modal app list, modal volume list), or ask "
        "support@modal.com for more; then the same command goes on",
    )


def _unauthenticated(text: str, error: Exception) -> AuthenticationError:
    words = str(error)
    missing = "missing" in words.lower()
    expired = _EXPIRED.search(words) is not None
    code = "no_token" if missing else "token_expired" if expired else "token_refused"
    return AuthenticationError(text, fix=LOG_IN, code=code)


def _is_too_old(status: Status | None, error: Exception) -> bool:
    """A client that the platform takes no longer is refused like many a wrong request."""
    refused = status in (Status.FAILED_PRECONDITION, Status.INVALID_ARGUMENT, Status.UNIMPLEMENTED)
    return refused and _OLD.search(str(error)) is not None


def _says_when(error: Exception) -> bool:
    """Whether the answer carries when to come back: only one that limits rates does."""
    details = getattr(error, "_grpc_details", None) or ()
    return any(type(each).__name__ == "RPCRetryPolicy" for each in details)


def _status(error: Exception) -> Status | None:
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            return status
    # one of the client's own types has no public status, an error of gRPC itself has
    return error.status if type(error) is grpclib.GRPCError else None
