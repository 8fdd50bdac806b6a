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

from training.compute.modal.refusals import UPGRADE, refusal, words_of
from training.compute.modal.token import ACCEPTED, LOG_IN
from training.compute.port import Auth
from training.errors import AuthenticationError, RateLimited, TrainingError, Unreachable

__all__ = ["accepted", "check_auth", "credentials"]

PROBE_SECONDS = 3.0
ANSWER_SECONDS = 1.8  # with the probe below five in all


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
    return ACCEPTED.get(credentials()[0])


def check_auth(needed_seconds: float = 0.0, clock: Callable[[], float] = time.time) -> Auth:
    """The workspace that accepts our token, as evidence.

    Args:
        needed_seconds: How long the token has to last from now.
        clock: Seconds since 1970.

    Raises:
        AuthenticationError: ``no_token``, ``token_refused`` or ``token_expires``.
        Unreachable: Nobody answers at the server's address.
    """
    ACCEPTED.clear()
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
    return ACCEPTED.setdefault(token[0], Auth(valid=True, evidence=evidence))


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
    except (modal.exception.Error, grpclib.GRPCError) as error:
        found = refusal(f"asking Modal at {server} about the token {token[0]}", error)
        if found is None:
            raise TrainingError(
                f"Modal at {server} answered: {words_of(error)}", fix=UPGRADE, code="modal_error"
            ) from error
        if isinstance(found, Unreachable) and not isinstance(found, RateLimited):
            found = _unreachable(server, words_of(error))
        raise found from error
    except (TimeoutError, OSError) as error:
        why = str(error) or f"no answer within {ANSWER_SECONDS:g} s"
        raise _unreachable(server, why) from error


async def _ask(server: str, token: tuple[str, str]) -> _Token:
    async with _Client(server, api_pb2.CLIENT_TYPE_CLIENT, token) as client:
        await client.hello()
        try:
            info = await client._stub.TokenInfoGet(api_pb2.TokenInfoGetRequest())
        except (modal.exception.UnimplementedError, modal.exception.NotFoundError):
            return _Token("unnamed", 0.0)
        return _Token(info.workspace_name, float(info.expires_at.seconds))


def _unreachable(server: str, why: str) -> Unreachable:
    return Unreachable(
        f"Modal at {server} cannot be reached: {why}",
        fix="check the network and https://status.modal.com, then run the same command again; "
        "or train here: compute=local",
        code="modal_unreachable",
    )
