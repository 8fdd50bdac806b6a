"""``serve``: receive signed webhooks as events."""

import os
import threading

import click

from agents.cli.output import emit, json_option, say
from agents.cli.run import stopping
from agents.cli.words import LEDGER_NAME, parse_words, state_directory
from agents.errors import UsageError
from agents.ledger.events import Event
from agents.ledger.store import Ledger
from agents.watching.webhook import DEFAULT_PORT as PORT
from agents.watching.webhook import SECRET_VARIABLE, WebhookServer, secret_of

__all__ = ["listen", "serve_command"]

KEYS = ("host", "port", "state")
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", str(PORT)
MOST_PORT = 65_535


@click.command("serve")
@click.argument("words", nargs=-1, metavar="[port=N] [host=ADDRESS] [state=DIR]")
@json_option
def serve_command(words: tuple[str, ...], as_json: bool) -> None:
    """Receive signed webhooks as events.

    POST /hooks/NAME with X-Hub-Signature-256 (HMAC-SHA256 of the body, with the secret in
    AGENTS_WEBHOOK_SECRET) and X-GitHub-Delivery. Listens on this machine only unless host= says
    otherwise. watch port=N does the same and pursues goals as well.
    """
    given = parse_words(words)
    for key in given:
        if key not in KEYS:
            raise UsageError(f"serve takes {', '.join(KEYS)}, not {key}=")
    state = state_directory(given.get("state"))
    with stopping() as stop, Ledger(state / LEDGER_NAME) as ledger:
        server = listen(ledger, given.get("host", DEFAULT_HOST), given.get("port", DEFAULT_PORT))
        try:
            host = f"[{server.host}]" if ":" in server.host else server.host
            address = f"http://{host}:{server.port}/hooks/NAME"
            data = {"address": address, "host": server.host, "port": server.port}
            emit("serve", data, lambda: f"listening at {address}", json_wanted=as_json)
            stop.wait()
        finally:
            server.close()


def listen(
    ledger: Ledger, host: str, port: str, wake: threading.Event | None = None
) -> WebhookServer:
    """A server for the secret of the environment; ``wake`` is set when something was received.

    Raises:
        UsageError: There is no secret, no such host, or the port is none or taken.
    """
    if not host:
        raise UsageError("host= is empty", fix=f"host={DEFAULT_HOST}")
    if not (port.isascii() and port.isdecimal()) or int(port) > MOST_PORT:
        raise UsageError(f"port={port} is not a port", fix=f"port={DEFAULT_PORT}")
    secret = secret_of(os.environ)

    def received(event: Event) -> None:
        say(f"{event.time[11:19]}  webhook {event.subject} {event.id}")
        if wake is not None:
            wake.set()

    server = WebhookServer(ledger, secret, host=host, port=int(port), received=received)
    if host not in ("127.0.0.1", "::1", "localhost"):
        say(f"others can reach {host}: {SECRET_VARIABLE} is all that protects it")
    return server
