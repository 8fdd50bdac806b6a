"""The process: a gRPC port for clients, one per container, and a port for bytes and control."""

import asyncio
import json
import os
import secrets
import signal
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from grpclib.server import Server
from modal._utils.grpc_utils import custom_detail_codec

from training.compute.loopback.billing import BillingAnswers
from training.compute.loopback.call_rpcs import CallAnswers
from training.compute.loopback.class_rpcs import ClassAnswers
from training.compute.loopback.container import Container
from training.compute.loopback.functions import Functions, end
from training.compute.loopback.image_rpcs import ImageAnswers
from training.compute.loopback.limits import Limits
from training.compute.loopback.objects import Objects
from training.compute.loopback.queue_rpcs import QueueAnswers
from training.compute.loopback.rpc import Service
from training.compute.loopback.secret_rpcs import SecretAnswers
from training.compute.loopback.stream_rpcs import StreamAnswers
from training.compute.loopback.tasks import Tasks
from training.compute.loopback.web import application
from training.compute.loopback.worker import Worker
from training.compute.loopback.world import Peer, World, make_world
from training.store.durable import write_whole
from training.store.lock import acquire

__all__ = ["ANSWERS", "TOKEN_ID", "serve"]

TOKEN_ID = "ak-loopback"  # noqa: S105 - the public half
ANSWERS = (
    *(BillingAnswers, ImageAnswers, Objects, SecretAnswers, QueueAnswers, Functions, ClassAnswers),
    *(CallAnswers, StreamAnswers, Tasks, Worker),
)
"""What answers the RPCs, each some of them."""

LOOK_SECONDS = 0.5
"""How often the control plane looks for callers and clients that are gone."""


class _ControlPlane:
    """Ports around a world.

    Args:
        root: Where it is kept.
        limits: How long and how many.
        retry_scale: Factor on delays between retries.
    """

    def __init__(self, root: Path, limits: Limits, retry_scale: float) -> None:
        self._root = root
        self._remembered: OrderedDict[str, asyncio.Future[Any]] = OrderedDict()
        self.ended = asyncio.Event()
        self.world: World = make_world(root, self._listen, limits, retry_scale)
        self._answers = tuple(each(self.world) for each in ANSWERS)
        self._last_count = 0
        self._busy = time.monotonic()

    async def start(self) -> dict[str, Any]:
        """Open the ports; how to reach them."""
        secret = self._secret()
        self.world.tokens.accept(TOKEN_ID, secret)
        port, _ = await self._open(None)
        runner = web.AppRunner(application(self.world, secret, self.ended), access_log=None)
        await runner.setup()
        files, number = _socket()
        await web.SockSite(runner, files).start()
        self.world.files = f"http://127.0.0.1:{number}"
        self.world.calls.resume()
        return {
            "pid": os.getpid(),
            "server": f"http://127.0.0.1:{port}",
            "control": f"{self.world.files}/control",
            "token_id": TOKEN_ID,
            "token_secret": secret,
        }

    async def _listen(self, container: Container) -> tuple[int, Callable[[], None]]:
        return await self._open(Peer(container=container))

    async def _open(self, peer: Peer | None) -> tuple[int, Callable[[], None]]:
        service = Service(self.world, self._answers, peer, self._remembered)
        server = Server([service], status_details_codec=custom_detail_codec)
        sock, port = _socket()
        await server.start(sock=sock)
        return port, server.close

    def _secret(self) -> str:
        path = self._root / "secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(f"as-{secrets.token_hex(16)}", encoding="utf-8")
        return path.read_text(encoding="utf-8")

    async def look_around(self) -> None:
        """End what nobody waits for any more."""
        limits = self.world.containers.limits
        for call in self.world.calls.abandoned(limits.caller):
            await self.world.containers.stop(call, "cancelled")
        for app in self.world.apps.silent(limits.client):
            await end(self.world, app.identity)

    def idle_seconds(self) -> float:
        """How long nobody asked anything and nothing ran."""
        count = self.world.faults.called.total()
        if count != self._last_count or self.world.containers.running:
            self._last_count, self._busy = count, time.monotonic()
        return time.monotonic() - self._busy

    async def close(self) -> None:
        """Kill what runs."""
        self.world.calls.close()
        await self.world.containers.close()
        self.world.store.close()


async def _serve(root: Path, limits: Limits, retry_scale: float, idle: float) -> None:
    plane = _ControlPlane(root, limits, retry_scale)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, plane.ended.set)
    found = root / "server.json"
    write_whole(found, json.dumps(await plane.start(), indent=2) + "\n")
    found.chmod(0o600)
    while not plane.ended.is_set() and plane.idle_seconds() < idle:
        await plane.look_around()
        await asyncio.wait({asyncio.ensure_future(plane.ended.wait())}, timeout=LOOK_SECONDS)
    found.unlink(missing_ok=True)
    await plane.close()


def serve(root: Path, limits: Limits, retry_scale: float, idle: float) -> bool:
    """Serve until told to stop, or until idle for so many seconds.

    Returns:
        False when another process serves this directory already.
    """
    root.mkdir(parents=True, exist_ok=True)
    lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not acquire(lock):
        os.close(lock)
        return False
    (root / "server.json").unlink(missing_ok=True)
    asyncio.run(_serve(root, limits, retry_scale, idle))
    os.close(lock)
    return True


def _socket() -> tuple[socket.socket, int]:
    """A socket on a free port of 127.0.0.1."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock, int(sock.getsockname()[1])
