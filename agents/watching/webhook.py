"""The source of ``webhook.received``: signed POST requests, each kept once.

The signature is HMAC-SHA256 over the raw bytes of the body, in ``X-Hub-Signature-256`` as GitHub
sends it; a delivery is known by its id. That id is not part of what is signed, so somebody who
recorded a delivery could send it again under another id. What they would gain is one more look at
what is true: an event only prompts observing.

Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries.
"""

import asyncio
import errno
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from agents.errors import GoapError, UsageError
from agents.ledger.events import Event, new_event
from agents.ledger.payloads import WebhookReceived
from agents.ledger.store import Ledger

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["SECRET_VARIABLE", "WebhookServer", "application", "secret_of", "verified"]

SECRET_VARIABLE = "AGENTS_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable, not its value
SIGNATURE = "X-Hub-Signature-256"
DELIVERIES = ("X-GitHub-Delivery", "X-Delivery-Id")
KINDS = ("X-GitHub-Event", "X-Event")
MOST_BYTES = 1024 * 1024
SHORTEST_SECRET = 16
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"


def secret_of(environment: Mapping[str, str]) -> bytes:
    """The shared secret.

    Raises:
        UsageError: It is missing, or too short to be one.
    """
    secret = environment.get(SECRET_VARIABLE, "")
    if len(secret) < SHORTEST_SECRET:
        what = "is not set" if not secret else f"is shorter than {SHORTEST_SECRET} characters"
        raise UsageError(
            f"{SECRET_VARIABLE} {what}, so no webhook could be trusted",
            fix=f"export {SECRET_VARIABLE}=$(python -c 'import secrets; "
            "print(secrets.token_hex(32))')",
        )
    return secret.encode("utf-8", "surrogateescape")


def verified(secret: bytes, body: bytes, signature: str) -> bool:
    """Whether the signature is that of these very bytes; compared in constant time."""
    expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape"))


def application(
    ledger: Ledger, secret: bytes, received: Callable[[Event], object] = lambda _: None
) -> "web.Application":
    """The web application: ``POST /hooks/NAME`` and ``GET /health``.

    Args:
        ledger: Where deliveries are kept.
        secret: The shared secret.
        received: Called with each new event, from another thread.
    """
    from aiohttp import web  # noqa: PLC0415 - only where webhooks are served

    async def hook(request: "web.Request") -> "web.Response":
        body = await request.read()  # aiohttp answers 413 above client_max_size
        if not verified(secret, body, request.headers.get(SIGNATURE, "")):
            return _answer(401, "the signature does not fit the body")
        delivery = _first(request.headers, DELIVERIES)
        if not _ID.fullmatch(delivery):
            return _answer(400, f"a delivery id is needed: {' or '.join(DELIVERIES)}")
        try:
            event = _event(request.match_info["name"], delivery, request.headers, body)
        except ValueError:
            return _answer(400, "the body is not a JSON object")
        try:
            new = await asyncio.to_thread(ledger.receive, event)
        except GoapError:  # a full disk, a damaged ledger: whoever sent it should send it again
            return _answer(503, "this delivery cannot be kept now")
        if not new:
            return _answer(409, "this delivery was received already")
        await asyncio.to_thread(received, event)
        return _answer(202, "accepted")

    async def health(_: "web.Request") -> "web.Response":
        return _answer(200, "listening")

    app = web.Application(client_max_size=MOST_BYTES)
    app.add_routes([web.post(f"/hooks/{{name:{_NAME}}}", hook), web.get("/health", health)])
    return app


def _answer(status: int, text: str) -> "web.Response":
    from aiohttp import web  # noqa: PLC0415 - only where webhooks are served

    return web.json_response({"message": text}, status=status)


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((headers[name] for name in names if name in headers), "")


def _event(name: str, delivery: str, headers: Mapping[str, str], body: bytes) -> Event:
    try:
        parsed = json.loads(body or b"{}")
    except RecursionError:  # thousands of nested brackets
        raise ValueError("nested too deeply") from None
    if not isinstance(parsed, dict):
        raise ValueError("not an object")  # noqa: TRY004 - the caller says it to the sender
    received = WebhookReceived(
        name=name,
        delivery_kind=_first(headers, KINDS)[:100],
        sha256=hashlib.sha256(body).hexdigest(),
        bytes=len(body),
        # enough to filter by; a megabyte of it would be read again with every look at the ledger
        fields={
            str(key)[:100]: value if not isinstance(value, str) else value[:500]
            for key, value in list(parsed.items())[:50]
            if isinstance(value, str | int | float | bool)
        },
    )
    return new_event(received, source=f"webhook/{name}", subject=name, id=delivery)


class WebhookServer:
    """Listens in a thread of its own, until it is closed.

    Args:
        ledger: Where deliveries are kept.
        secret: The shared secret.
        host: The address to listen at; only this machine unless told otherwise.
        port: 0 takes a free one.
        received: Called with each new event, from another thread.

    Raises:
        UsageError: The port cannot be used.
    """

    def __init__(
        self,
        ledger: Ledger,
        secret: bytes,
        *,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        received: Callable[[Event], object] = lambda _: None,
    ) -> None:
        self.host, self.port = host, port
        self._app = application(ledger, secret, received)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._problem: OSError | None = None
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="webhooks", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise UsageError(
                f"cannot listen at {host}:{port}: {self._problem.strerror}",
                fix=f"use another port: port={DEFAULT_PORT + 1}"
                if self._problem.errno in (errno.EADDRINUSE, errno.EACCES)
                else f"use an address of this machine: host={DEFAULT_HOST}",
            )

    def close(self) -> None:
        """Stop listening and wait for requests that are being answered; twice is fine."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _listen(self) -> None:
        from aiohttp import web  # noqa: PLC0415

        runner = web.AppRunner(self._app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port)
            await site.start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._ending.wait()
        except OSError as error:
            self._problem = error
        finally:
            self._ready.set()
            await runner.cleanup()
