"""The source of ``webhook.received``: signed POST requests, each kept once.

Nothing is read of a request that carries no proof of the secret, and nobody is told that a delivery
is kept before it is durable. Whoever connects and keeps silent is cut off (`Connections`).
"""

import asyncio
import errno
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from agents.errors import GoapError, UsageError
from agents.ledger.store import Ledger
from agents.watching.connections import Connections
from agents.watching.deliveries import SERVICES, event_of, is_delivery, read_body
from agents.watching.intake import Intake, Received
from agents.watching.signatures import SIGNATURE, looks_signed, signed
from agents.watching.troubles import problem_of

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

__all__ = ["SECRET_VARIABLE", "WebhookServer", "application", "secret_of"]

SECRET_VARIABLE = "AGENTS_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable, not its value
MOST_BYTES = 1024 * 1024
SHORTEST_SECRET = 16
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765
ENDING_SECONDS = 0.5
WAITING_AT_THE_PORT = 1024
_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"

Told = Callable[[str], object]


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


def application(
    intake: Intake, secret: bytes, connections: Connections, told: Told = lambda _: None
) -> "web.Application":
    """The web application: ``POST /hooks/NAME`` and ``GET /health``.

    Args:
        intake: Keeps deliveries.
        secret: The shared secret.
        connections: Are told how far a request has come.
        told: Called with what a person should know.
    """
    from aiohttp import web  # noqa: PLC0415 - only where webhooks are served

    async def hook(request: "web.Request") -> "web.Response":
        refusal = _refused_unread(request)
        if refusal is not None:
            refusal.force_close()  # what it still has to say is not listened to
            return refusal
        body = await request.read()  # aiohttp answers 413 above client_max_size
        if not signed(secret, request.headers, body):
            return _answer(401, "the signature does not fit the body")
        connections.trusted(request.transport)
        return await _kept(intake, request, body)

    async def health(_: "web.Request") -> "web.Response":
        return _answer(200, "listening")

    app = web.Application(client_max_size=MOST_BYTES, middlewares=[_watched(connections, told)])
    app.add_routes([web.post(f"/hooks/{{name:{_NAME}}}", hook), web.get("/health", health)])
    return app


def _watched(connections: Connections, told: Told) -> "Middleware":
    """What is around each request: connections are told of it, and a fault of ours is an answer."""
    from aiohttp import web  # noqa: PLC0415 - only where webhooks are served

    @web.middleware
    async def watched(request: "web.Request", handler: "Handler") -> "web.StreamResponse":
        connections.heard(request.transport)
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours in one request ends no server
            # where it was cut off, whatever reads on says so in its own way, and nobody waits
            if request.transport is not None and not request.transport.is_closing():
                told(f"a request could not be answered: {problem_of(error)}")
            return _answer(500, "this request could not be answered")
        finally:
            connections.answered(request.transport)

    return watched


def _refused_unread(request: "web.Request") -> "web.Response | None":
    """Why the body of a request is not worth reading."""
    if not looks_signed(request.headers):
        return _answer(401, f"a signature is needed: {SIGNATURE}")
    if (request.content_length or 0) > MOST_BYTES:
        return _answer(413, f"a delivery has {MOST_BYTES} bytes at most")
    if not is_delivery(_delivery(request)):
        return _answer(400, "a delivery id is needed: X-GitHub-Delivery or X-Delivery-Id")
    return None


async def _kept(intake: Intake, request: "web.Request", body: bytes) -> "web.Response":
    """The answer to a signed delivery, when it is durable."""
    service = next(each for each in SERVICES if each.sends(request.headers))
    try:
        said = read_body(request.headers, body)
    except ValueError:
        return _answer(400, "the body is not a JSON object, nor a form with one in payload=")
    meaning = service.meaning(request.headers, said)
    if meaning.silent:
        return _answer(200, "listening")
    event = event_of(request.match_info["name"], _delivery(request), meaning, said, body)
    try:
        new = await intake.keep(event)
    except GoapError:  # a full disk, a damaged ledger: whoever sent it should send it again
        return _answer(503, "this delivery cannot be kept now")
    return _answer(202, "accepted") if new else _answer(200, "this delivery was received already")


def _delivery(request: "web.Request") -> str:
    service = next(each for each in SERVICES if each.sends(request.headers))
    return service.delivery(request.headers)


def _answer(status: int, text: str) -> "web.Response":
    from aiohttp import web  # noqa: PLC0415 - only where webhooks are served

    return web.json_response({"message": text}, status=status)


class WebhookServer:
    """Listens in a thread of its own, until it is closed.

    Args:
        ledger: Where deliveries are kept.
        secret: The shared secret.
        host: The address to listen at; only this machine unless told otherwise.
        port: 0 takes a free one.
        received: Called with new events, from another thread, when they are durable.
        told: Called with what a person should know, from another thread.
        connections: How many there may be, and how long each may keep silent.

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
        received: Received = lambda _: None,
        told: Told = lambda _: None,
        connections: Connections | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._told = told
        self._connections = connections or Connections()
        self._intake = Intake(ledger, received, told)
        self._app = application(self._intake, secret, self._connections, told)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._problem: OSError | None = None
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="webhooks", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            self.close()
            raise UsageError(
                f"cannot listen at {host}:{port}: {self._problem.strerror}",
                fix=f"use another port: port={DEFAULT_PORT + 1}"
                if self._problem.errno in (errno.EADDRINUSE, errno.EACCES)
                else f"use an address of this machine: host={DEFAULT_HOST}",
            )

    def close(self) -> None:
        """Stop listening and wait a moment for requests that are being answered; twice is fine."""
        self._intake.close(ENDING_SECONDS)
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _serve(self) -> None:
        self._loop.set_exception_handler(self._unforeseen)
        try:
            self._loop.run_until_complete(self._listen())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _unforeseen(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """What went wrong between requests, such as no more connections; the loop goes on."""
        error = context.get("exception")
        problem = problem_of(error) if isinstance(error, Exception) else context.get("message")
        self._told(f"webhooks: {problem}")

    async def _listen(self) -> None:
        from aiohttp import web  # noqa: PLC0415

        runner = web.AppRunner(
            self._app,
            access_log=None,
            logger=_silent(),
            auto_decompress=False,  # what is signed is what came
            lingering_time=ENDING_SECONDS,
            shutdown_timeout=ENDING_SECONDS,
        )
        await runner.setup()
        try:
            assert runner.server is not None  # noqa: S101 - it was set up
            server = await self._loop.create_server(
                self._connections.guarded(runner.server),
                self.host,
                self.port,
                backlog=WAITING_AT_THE_PORT,
            )
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._ending.wait()
            server.close()
        except OSError as error:
            self._problem = error
        finally:
            self._ready.set()
            self._connections.close()
            await runner.cleanup()


def _silent() -> logging.Logger:
    """For aiohttp, which would write a traceback for each request that is no HTTP."""
    logger = logging.Logger("agents.watching.webhook")  # noqa: LOG001 - nobody else finds it
    logger.addHandler(logging.NullHandler())
    return logger
