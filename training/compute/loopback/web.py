"""Plain HTTP beside gRPC: bytes of blobs, and the control of faults by a person or a test."""

import asyncio
import hmac
from typing import Any

from aiohttp import web

from training.compute.loopback.faults import Fault
from training.compute.loopback.world import World

__all__ = ["SECRET_HEADER", "WHOSE", "application"]

SECRET_HEADER = "X-Loopback-Secret"  # noqa: S105 - a header's name
WHOSE = "client"
"""In an address that a client was given, and in none of a container."""

_MOST_BYTES = 4 << 30


class _Web:
    def __init__(self, world: World, secret: str, ended: asyncio.Event) -> None:
        self._world = world
        self._secret = secret
        self._ended = ended

    async def put(self, request: web.Request) -> web.Response:
        """Bytes of a client; they have to be those that were announced."""
        self._count("blob put", request)
        pieces = request.content.iter_chunked(1 << 20)
        digest, tag = await self._world.blobs.put_stream(pieces)
        if digest != request.match_info["digest"]:
            return web.Response(status=400, text="these are other bytes than announced")
        return web.Response(headers={"ETag": f'"{tag}"'})

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Bytes, or a part of them."""
        self._count("blob get", request)
        path = self._world.blobs.path(request.match_info["digest"])
        if not path.exists():
            return web.Response(status=404)
        start, length = request.query.get("start"), request.query.get("length")
        if start is None or length is None:
            return web.FileResponse(path)
        with path.open("rb") as file:
            file.seek(int(start))
            content = file.read(int(length))
            self._world.faults.sent += len(content)
            return web.Response(body=content)

    def _count(self, what: str, request: web.Request) -> None:
        """Bytes are a request too; whose it is, is in the address that was given out."""
        self._world.faults.called[what] += 1
        if WHOSE in request.query:
            self._world.faults.asked[what] += 1

    async def control(self, request: web.Request) -> web.Response:
        """Do what ``do`` says; the state of now is the answer."""
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, ""), self._secret):
            return web.Response(status=403, text="the secret is in server.json")
        asked: dict[str, Any] = await request.json()
        action = getattr(self, f"do_{asked.pop('do')}", None)
        if action is None:
            return web.Response(status=400, text="not known")
        try:
            await action(**asked)
        except (TypeError, ValueError, KeyError) as error:
            return web.Response(status=400, text=f"{type(error).__name__}: {error}")
        return web.json_response(self._state())

    async def do_state(self) -> None:
        """Only look."""

    async def do_fault(self, **fault: Any) -> None:
        self._world.faults.add(Fault(**fault))

    async def do_forget(self) -> None:
        self._world.faults.unimplemented.clear()

    async def do_clear(self) -> None:
        self._world.faults.clear()
        self._world.containers.unmounted.clear()

    async def do_kill(self, fate: Any = "crashed", call: str = "", rank: int | None = None) -> None:
        for container in list(self._world.containers.running.values()):
            its = container.lead.call
            if call and (its is None or its.identity != call):
                continue
            if rank is None or container.rank == rank:
                self._world.containers.kill(container, fate)

    async def do_expire(self, call: str) -> None:
        self._world.calls.expire(self._world.calls.get(call))

    async def do_token(self, identity: str, secret: str, expires: float = 0.0) -> None:
        self._world.tokens.accept(identity, secret, expires)

    async def do_revoke(self, identity: str) -> None:
        self._world.tokens.revoke(identity)

    async def do_secret(self, name: str, values: dict[str, str]) -> None:
        self._world.secrets.create(name, values, overwrite=True, fail=False)

    async def do_bucket(self, name: str, folder: str) -> None:
        self._world.buckets.play(name, folder)

    async def do_rates(self, **rates: float) -> None:
        self._world.rates = {name: str(value) for name, value in rates.items()}

    async def do_bill(self, usd_per_hour: float) -> None:
        self._world.usd_per_hour = usd_per_hour

    async def do_image_fails(self, why: str) -> None:
        self._world.images.fail_next(why)

    async def do_unmount(self, name: str) -> None:
        self._world.containers.unmounted.add(name)

    async def do_limits(self, retry_scale: float | None = None, **limits: float) -> None:
        if retry_scale is not None:
            self._world.calls.retry_scale = retry_scale
        for name, value in limits.items():
            if not hasattr(self._world.containers.limits, name):
                raise ValueError(name)
            setattr(self._world.containers.limits, name, value)

    async def do_stop(self) -> None:
        self._ended.set()

    def _hardware(self, function: str) -> dict[str, Any]:
        """What a function asks for; nothing of it is there."""
        definition = self._world.apps.definition(function)
        return {
            "gpu": self._world.apps.gpus(function),
            "cpu": definition.resources.milli_cpu / 1000,
            "cpu_most": definition.resources.milli_cpu_max / 1000,
            "memory": definition.resources.memory_mb,
            "memory_most": definition.resources.memory_mb_max,
            "timeout": definition.timeout_secs,
            "region": list(definition.scheduler_placement.regions),
            "secrets": len(definition.secret_ids),
        }

    def _state(self) -> dict[str, Any]:
        calls = [
            {
                "call": call.identity,
                "function": self._world.apps.definition(call.function).function_name,
                "app": self._world.apps.app_of(call.function).name,
                "hardware": self._hardware(call.function),
                "state": call.state,
                "spawned": call.spawned,
                "starts": call.starts,
                "retries": call.retry,
                "created": call.created,
            }
            for call in sorted(self._world.calls.all.values(), key=lambda each: each.created)
        ]
        containers = {
            task: {
                "call": container.call.identity if container.call else "",
                "process": container.process.pid if container.process else 0,
                "root": str(container.root),
                "rank": container.rank,
            }
            for task, container in self._world.containers.running.items()
        }
        return {
            "called": dict(self._world.faults.called),
            "asked": dict(self._world.faults.asked),
            "sent": self._world.faults.sent,
            "unimplemented": dict(self._world.faults.unimplemented),
            "calls": calls,
            "containers": containers,
            "containers_started": self._world.containers.started,
            "received": self._world.blobs.received,
            "builds": self._world.images.builds,
            "images": sorted(self._world.images.names()),
            "faults_met": self._world.faults.met,
        }


def application(world: World, secret: str, ended: asyncio.Event) -> web.Application:
    """The HTTP side of a control plane; `ended` is set when it is told to stop."""
    handlers = _Web(world, secret, ended)
    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_put("/blob/{digest}", handlers.put)
    app.router.add_get("/blob/{digest}", handlers.get)
    app.router.add_post("/control", handlers.control)
    return app
