"""``serve``: receive signed webhooks as events."""

import os
import threading
from collections.abc import Sequence
from typing import Annotated

import click
from pydantic import AfterValidator, BeforeValidator

from agents.cli.options import takes
from agents.cli.output import emit, json_option, say
from agents.cli.run import stopping
from agents.declare.words import Options, word
from agents.ledger.events import Event
from agents.ledger.store import Ledger
from agents.run.options import StateOptions
from agents.watching.webhook import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    SECRET_VARIABLE,
    WebhookServer,
    secret_of,
)

__all__ = ["WRITER_SECONDS", "ListenOptions", "listen", "serve_command"]

MOST_PORT = 65_535
WRITER_SECONDS = 0.5
"""So long whoever watches waits for another process that writes; then it tries again."""


def _address(host: str) -> str:
    if not host:
        raise ValueError("host= is empty")
    return host


def _port(text: object) -> object:
    number = str(text)
    if not (number.isascii() and number.isdecimal()) or int(number) > MOST_PORT:
        raise ValueError(f"port={text} is not a port")
    return int(number)


Host = Annotated[str, AfterValidator(_address)]
Port = Annotated[int, BeforeValidator(_port)]


class ListenOptions(Options):
    """Where to listen."""

    port: Port = word("N", DEFAULT_PORT, example=str(DEFAULT_PORT))
    host: Host = word("ADDRESS", DEFAULT_HOST, example=DEFAULT_HOST)


class ServeOptions(ListenOptions, StateOptions):
    """Where to listen, and where to keep what comes."""


@click.command("serve")
@takes(ServeOptions)
@json_option
def serve_command(options: ServeOptions, as_json: bool) -> None:
    """Receive signed webhooks as events.

    POST /hooks/NAME, signed with the secret in AGENTS_WEBHOOK_SECRET: as GitHub does it
    (X-Hub-Signature-256, X-GitHub-Delivery), as GitLab does it, or any JSON object with
    X-Hub-Signature-256 and X-Delivery-Id. Listens on this machine only unless host= says
    otherwise. watch port=N does the same and pursues goals as well.
    """
    with stopping() as stop, Ledger(options.ledger, patience=WRITER_SECONDS) as ledger:
        server = listen(ledger, options.host, options.port)
        try:
            host = f"[{server.host}]" if ":" in server.host else server.host
            address = f"http://{host}:{server.port}/hooks/NAME"
            data = {"address": address, "host": server.host, "port": server.port}
            emit("serve", data, lambda: f"listening at {address}", json_wanted=as_json)
            stop.wait()
        finally:
            server.close()


def listen(
    ledger: Ledger, host: str, port: int, wake: threading.Event | None = None
) -> WebhookServer:
    """A server for the secret of the environment; ``wake`` is set when something was received.

    Raises:
        UsageError: There is no secret, no such host, or the port is taken.
    """
    secret = secret_of(os.environ)

    def received(events: Sequence[Event]) -> None:
        if wake is not None:
            wake.set()
        for event in events:
            say(f"{event.time[11:19]}  webhook {event.subject} {event.id}")

    server = WebhookServer(ledger, secret, host=host, port=port, received=received, told=say)
    if host not in ("127.0.0.1", "::1", "localhost"):
        say(f"others can reach {host}: {SECRET_VARIABLE} is all that protects it")
    return server
