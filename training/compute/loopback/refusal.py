"""Refusals, with the status that the client turns into a type of its own."""

from grpclib.const import Status
from grpclib.exceptions import GRPCError

__all__ = ["exists", "full", "invalid", "not_found", "precondition", "unauthenticated"]


def not_found(what: str) -> GRPCError:
    """The client raises `modal.exception.NotFoundError`."""
    return GRPCError(Status.NOT_FOUND, what)


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
