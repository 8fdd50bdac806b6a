"""The gRPC service: every RPC of the client's protocol, of which some are answered.

An RPC is answered by a coroutine of its name in lower case with underscores. Every other answers
UNIMPLEMENTED and is counted, so that a test that met one can say so. A request whose idempotency
key was seen gets the answer it had.
"""

import asyncio
import inspect
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream
from modal_proto.api_grpc import ModalClientBase

from training.compute.loopback.world import Peer, World

__all__ = ["Service", "method_of"]

_REMEMBERED = 10_000
_WAITING = (
    *("ContainerHeartbeat", "FunctionGetInputs", "FunctionGetOutputs"),
    *("QueueGet", "QueueNextItems", "TaskClusterHello"),
)
"""Those that wait for something: they end with their caller, and a repetition asks anew."""


class Service:
    """What grpclib serves on one port.

    Args:
        world: The state behind it.
        answers: Objects with a coroutine, or an async generator, per RPC.
        peer: Who asks on this port; None where clients show a token.
        remembered: Answers by idempotency key, shared by the ports.
    """

    def __init__(
        self,
        world: World,
        answers: tuple[object, ...],
        peer: Peer | None,
        remembered: "OrderedDict[str, asyncio.Future[Any]]",
    ) -> None:
        self._world = world
        self._answers = answers
        self._peer = peer
        self._remembered = remembered

    def __mapping__(self) -> Mapping[str, Handler]:
        """Path → handler, for every RPC the client's protocol has."""
        return {path: self._handler(path, known) for path, known in _protocol().items()}

    def _handler(self, path: str, known: Handler) -> Handler:
        name = path.rpartition("/")[2]
        method = method_of(name)
        found = [getattr(each, method) for each in self._answers if hasattr(each, method)]
        answer = found[0] if found else None
        one = known.cardinality in (Cardinality.UNARY_UNARY, Cardinality.STREAM_UNARY)

        async def serve(stream: "Stream[Any, Any]") -> None:
            request = await stream.recv_message()
            peer = self._who(stream)
            if answer is None:
                self._world.faults.unimplemented[name] += 1
                raise GRPCError(Status.UNIMPLEMENTED, _unknown(name))
            if one and not inspect.isasyncgenfunction(answer):
                metadata: Any = stream.metadata or {}
                key = f"{name} {metadata.get('x-idempotency-key', '')}"

                async def work() -> Any:
                    if name in _WAITING:
                        return await answer(request, peer)
                    return await self._once(key, lambda: answer(request, peer))

                await stream.send_message(
                    await self._world.faults.around(name, work, peer.container is None)
                )
            else:
                await self._world.faults.around(name, _nothing, peer.container is None)
                async for message in answer(request, peer):
                    await stream.send_message(message)

        return Handler(serve, known.cardinality, known.request_type, known.reply_type)

    def _who(self, stream: "Stream[Any, Any]") -> Peer:
        if self._peer is not None:
            return self._peer
        return Peer(token=self._world.tokens.check(cast("Any", stream.metadata) or {}))

    async def _once(self, key: str, answer: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a request, asked once per idempotency key."""
        if key.endswith(" "):
            return await answer()
        known = self._remembered.get(key)
        if known is None or (known.done() and (known.cancelled() or known.exception())):
            known = asyncio.ensure_future(answer())
            self._remembered[key] = known
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        # a caller that goes away takes nothing with it: another may ask with the same key
        return await asyncio.shield(known)


def method_of(name: str) -> str:
    """What answers an RPC.

    >>> method_of("FunctionMap")
    'function_map'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_ABSENT = {
    "Sandbox": "sandboxes",
    "SharedVolume": "network file systems",
    "Proxy": "proxies",
    "Tunnel": "tunnels",
    "Flash": "servers",
    "Container": "a shell in a container",
}
"""What is not rehearsed, by how its RPCs begin."""


def _unknown(name: str) -> str:
    what = next((words for begin, words in _ABSENT.items() if name.startswith(begin)), "")
    words = f" ({what}, which cannot be rehearsed)" if what else ""
    return f"the loopback control plane does not know {name}{words}; Modal itself may"


async def _nothing() -> None:
    return None


def _protocol() -> Mapping[str, Handler]:
    """Path → handler of the client's protocol, whose functions are placeholders."""

    async def absent(_self: object, _stream: object) -> None:
        return None

    names = ModalClientBase.__abstractmethods__
    every = type("Every", (ModalClientBase,), dict.fromkeys(names, absent))
    return cast("Mapping[str, Handler]", every().__mapping__())
