"""What the platform says of a call: whether it is over, and the error it ended with.

Unknown is not over: a training that is taken for dead would be paid for twice.
"""

from typing import Final

import aiohttp
import grpclib
import grpclib.exceptions
import modal
import modal.exception

from training.compute.modal.refusals import refusal, words_of
from training.errors import Unreachable

__all__ = ["at_work", "said"]

_OVER: Final = (
    modal.exception.ExecutionError,
    modal.exception.FunctionTimeoutError,
    modal.exception.InputCancellation,
    modal.exception.InternalFailure,
    modal.exception.NotFoundError,
    modal.exception.OutputExpiredError,
    modal.exception.RemoteError,
)
"""What says that a call is over. Whatever the call itself raised says so too."""

_NO_ANSWER: Final = (
    modal.exception.Error,
    grpclib.GRPCError,
    grpclib.exceptions.StreamTerminatedError,
    aiohttp.ClientError,
)
"""What goes wrong while asking, and says nothing about the call."""


def at_work(call: str) -> str | None:
    """The call that does the work while `call` is not over: itself, or the one it is after.

    Raises:
        Unreachable: That is not known.
        TrainingError: The platform refuses to say it.
    """
    try:
        found = modal.FunctionCall.from_id(call).get(timeout=0)
    except TimeoutError:
        return call
    except _OVER:
        return None
    except _NO_ANSWER as error:
        what = f"asking whether call {call} runs"
        raise refusal(what, error) or Unreachable(
            f"{what}: {words_of(error)}",
            fix="run the same command again",
            code="modal_unreachable",
        ) from error
    except Exception:  # noqa: BLE001 - whatever it was that the call raised: the call is over
        return None
    owner = found.get("duplicate_of") if isinstance(found, dict) else None
    return at_work(owner) if owner else None


def said(call: str) -> str:
    """The error a call raised; empty where it runs, returned, or the platform ended it."""
    try:
        modal.FunctionCall.from_id(call).get(timeout=0)
    except (TimeoutError, *_OVER, *_NO_ANSWER):
        return ""
    except Exception as error:  # noqa: BLE001 - whatever it was that the call raised
        return f"{type(error).__name__}: {error}"
    return ""
