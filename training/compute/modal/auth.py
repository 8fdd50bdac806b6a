"""Asks Modal whether our credentials are accepted, within five seconds, with distinct answers.

No token, a server that cannot be reached, a token that is refused, a token that ends before the
training would: four different things to do about it. The client itself would wait about a minute
for a server that is not there, so its port is tried first.

This is the one place that uses the client's private interface (`modal token info` has no other).
"""

import asyncio
import socket
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import grpclib
import modal
import modal.exception
from modal.client import _Client
from modal.config import config
from modal_proto import api_pb2

from training.compute.modal.token import LOG_IN
from training.compute.port import Auth
from training.errors import AuthenticationError, TrainingError, Unreachable

__all__ = ["accepted", "check_auth", "credentials", "forget"]

PROBE_SECONDS = 3.0
ANSWER_SECONDS = 1.8  # with the probe below five in all


_ACCEPTED: dict[str, Auth] = {}
"""The answer about the token of this process, by its id, until a request with it was refused."""


@dataclass(frozen=True)
class _Token:
    workspace: str
    expires: float  # seconds since 1970; 0: never


def credentials() -> tuple[str, str]:
    """Token id and secret, from the environment or from the active profile.

    Raises:
        AuthenticationError: There are none.
    """
    identity, secret = config.get("token_id"), config.get("token_secret")
    if not identity or not secret:
        found = "its secret is missing" if identity else "its id is missing" if secret else "none"
        raise AuthenticationError(
            f"no complete token for Modal: {found}", fix=LOG_IN, code="no_token"
        )
    return str(identity), str(secret)


def accepted() -> Auth | None:
    """The answer of the last check; None when nobody was asked, or a request was refused since.

    Raises:
        AuthenticationError: There is no token.
    """
    return _ACCEPTED.get(credentials()[0])


def forget() -> None:
    """A request was refused: whether the token is accepted has to be asked again."""
    _ACCEPTED.clear()


def check_auth(needed_seconds: float = 0.0, clock: Callable[[], float] = time.time) -> Auth:
    """The workspace that accepts our token, as evidence.

    Args:
        needed_seconds: How long the token has to last from now.
        clock: Seconds since 1970.

    Raises:
        AuthenticationError: ``no_token``, ``token_refused`` or ``token_expires``.
        Unreachable: Nobody answers at the server's address.
    """
    forget()
    token = credentials()
    server = str(config.get("server_url"))
    _probe(server)
    account = _accepted(server, token)
    left = account.expires - clock()
    if account.expires and left < needed_seconds:
        raise AuthenticationError(
            f"the Modal token {token[0]} ends in {left / 3600:.1f} h, the training needs "
            f"{needed_seconds / 3600:.1f} h",
            fix=LOG_IN,
            code="token_expires",
        )
    evidence = f"token {token[0]} accepted, workspace {account.workspace}"
    return _ACCEPTED.setdefault(token[0], Auth(valid=True, evidence=evidence))


def _probe(server: str) -> None:
    """Open and close a connection to the server, or to the proxy in front of it."""
    address = urlsplit(server)
    proxies = urllib.request.getproxies()
    if address.scheme in proxies and not urllib.request.proxy_bypass(address.hostname or ""):
        address = urlsplit(proxies[address.scheme])
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), PROBE_SECONDS).close()
    except OSError as error:
        raise _unreachable(server, error.strerror or str(error)) from error


def _accepted(server: str, token: tuple[str, str]) -> _Token:
    """What the server knows of a token that it accepts."""
    try:
        return asyncio.run(asyncio.wait_for(_ask(server, token), ANSWER_SECONDS))
    except modal.exception.AuthError as error:
        raise _refused(token[0], server, str(error)) from error
    except (
        modal.exception.ConnectionError,
        modal.exception.ServiceError,
        grpclib.GRPCError,
        TimeoutError,
        OSError,
    ) as error:
        why = str(error) or f"no answer within {ANSWER_SECONDS:g} s"
        raise _unreachable(server, why) from error
    except modal.exception.Error as error:
        raise TrainingError(
            f"Modal at {server} answered: {error}",
            fix="pip install -U 'modal>=1.5,<1.7'",
            code="modal_error",
        ) from error


async def _ask(server: str, token: tuple[str, str]) -> _Token:
    async with _Client(server, api_pb2.CLIENT_TYPE_CLIENT, token) as client:
        await client.hello()
        try:
            info = await client._stub.TokenInfoGet(api_pb2.TokenInfoGetRequest())
        except (modal.exception.UnimplementedError, modal.exception.NotFoundError):
            return _Token("unnamed", 0.0)
        return _Token(info.workspace_name, float(info.expires_at.seconds))


def _refused(identity: str, server: str, said: str) -> AuthenticationError:
    expired = "expired" in said.lower()
    return AuthenticationError(
        f"Modal at {server} {'says that' if expired else 'refuses'} the token {identity}"
        f"{' is expired' if expired else ''}: {said}",
        fix=LOG_IN,
        code="token_expired" if expired else "token_refused",
    )


def _unreachable(server: str, why: str) -> Unreachable:
    return Unreachable(
        f"Modal at {server} cannot be reached: {why}",
        fix="check the network and https://status.modal.com, then run the same command again; "
        "or train here: compute=local",
        code="modal_unreachable",
    )
