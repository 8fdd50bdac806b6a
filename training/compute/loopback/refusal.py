"""Refusals, with the status that the client turns into a type of its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from modal_proto import api_pb2

__all__ = [
    "REFUSALS",
    "denied",
    "exists",
    "full",
    "invalid",
    "named",
    "not_found",
    "precondition",
    "unauthenticated",
]


def not_found(what: str) -> GRPCError:
    """The client raises `modal.exception.NotFoundError`."""
    return GRPCError(Status.NOT_FOUND, what)


def denied(what: str) -> GRPCError:
    """The client raises `modal.exception.PermissionDeniedError`."""
    return GRPCError(Status.PERMISSION_DENIED, what)


def exists(what: str) -> GRPCError:
    """The client raises `modal.exception.AlreadyExistsError`."""
    return GRPCError(Status.ALREADY_EXISTS, what)


def invalid(what: str) -> GRPCError:
    """The client raises `modal.exception.InvalidError`."""
    return GRPCError(Status.INVALID_ARGUMENT, what)


def precondition(what: str) -> GRPCError:
    """The client raises `modal.exception.ConflictError`, or RuntimeError from a volume."""
    return GRPCError(Status.FAILED_PRECONDITION, what)


def unauthenticated(what: str) -> GRPCError:
    """The client raises `modal.exception.AuthError`."""
    return GRPCError(Status.UNAUTHENTICATED, what)


def full(what: str) -> GRPCError:
    """The client raises `queue.Full` where it puts into a queue."""
    return GRPCError(Status.RESOURCE_EXHAUSTED, what)


REFUSALS: Final[Mapping[str, tuple[Status, str]]] = MappingProxyType(
    {
        "spend_limit": (Status.RESOURCE_EXHAUSTED, "workspace billing cycle spend limit reached"),
        "rate_limited": (Status.RESOURCE_EXHAUSTED, "Too many requests, slow down"),
        "come_back": (Status.RESOURCE_EXHAUSTED, "Come back later"),
        "quota_reached": (Status.RESOURCE_EXHAUSTED, "Workspace has 1000 deployed apps already"),
        "disk_full": (Status.RESOURCE_EXHAUSTED, "No space left on the volume"),
        "permission_denied": (Status.PERMISSION_DENIED, "This token cannot write here"),
        "no_such_environment": (Status.NOT_FOUND, "Environment 'nowhere' not found"),
        "client_too_old": (
            Status.FAILED_PRECONDITION,
            "Input plane is not supported for client_version='1.1.0'. Please upgrade to 1.1.3",
        ),
        "unknown_gpu": (Status.INVALID_ARGUMENT, "A100-70GB is not a valid GPU type"),
        "token_refused": (Status.UNAUTHENTICATED, "Token validation failed"),
        "token_expired": (Status.UNAUTHENTICATED, "Token has expired"),
    }
)
"""What the platform may refuse, by name: the words of those that were seen in public."""


def named(name: str) -> GRPCError:
    """A refusal by its name in `REFUSALS`; ``come_back`` carries when to ask again, and no word."""
    status, words = REFUSALS[name]
    when = [api_pb2.RPCRetryPolicy(retry_after_secs=0.1)] if name == "come_back" else None
    return GRPCError(status, words, when)
