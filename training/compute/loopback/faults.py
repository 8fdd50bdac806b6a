"""Faults on request: the next answers of an RPC fail, come late, or are lost.

A lost answer is the hardest one: what was asked for was done, and the caller does not know.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from training.compute.loopback.bell import Bell
from training.compute.loopback.refusal import REFUSALS, named

__all__ = ["Fault", "Faults"]


@dataclass(frozen=True)
class Fault:
    """What happens to an RPC.

    Attributes:
        kind: `error` refuses before anything is done, `lost` after everything is done, `late`
            waits first, no longer than until the faults are cleared, `hang` does nothing for ever,
            `mute` does it and never answers, `refused` is an `error` that the platform has a name
            for.
        times: How many requests it meets; 0: every one.
        after: How many requests pass before the first one it meets.
        status: Name of the gRPC status of an error.
        seconds: How late.
        refusal: Name of what is refused, one of `REFUSALS`.
    """

    rpc: str
    kind: Literal["error", "late", "lost", "hang", "mute", "refused"]
    times: int = 1
    after: int = 0
    status: str = "UNAVAILABLE"
    message: str = "fault on request"
    seconds: float = 0.0
    refusal: str = ""

    def __post_init__(self) -> None:
        if self.kind == "refused" and self.refusal not in REFUSALS:
            raise ValueError(f"refusal={self.refusal!r}; there are {', '.join(REFUSALS)}")


class Faults:
    """The faults that wait for their RPC, and what was called so far."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()
        self._cleared = Bell()
        self.called: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        """What clients asked, and no container: what a person's requests are counted by."""
        self.unimplemented: Counter[str] = Counter()
        self.sent = 0
        """Bytes of files of volumes."""
        self.met = 0

    def add(self, fault: Fault) -> None:
        """Let a fault wait."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every fault; what is late comes now."""
        with self._lock:
            self._waiting.clear()
        self._cleared.ring()

    def _next(self, rpc: str, client: bool) -> Fault | None:
        """The fault this request meets."""
        with self._lock:
            self.called[rpc] += 1
            if client:
                self.asked[rpc] += 1
            for index, fault in enumerate(self._waiting):
                if fault.rpc != rpc and not (fault.rpc == "*" and client):
                    continue
                if fault.after:
                    self._waiting[index] = replace(fault, after=fault.after - 1)
                    continue
                left = replace(fault, times=fault.times - 1)
                self._waiting[index : index + 1] = [left] if left.times else []
                return fault
        return None

    async def around(
        self, rpc: str, answer: Callable[[], Awaitable[Any]], client: bool = True
    ) -> Any:
        """The answer to one request, as far as the faults let it through.

        Args:
            rpc: Its name.
            answer: Does what was asked for.
            client: Whether a client asks; a fault for `*` meets no container.

        Raises:
            GRPCError: The fault's status.
        """
        fault = self._next(rpc, client)
        if fault is None:
            return await answer()
        self.met += 1
        if fault.kind == "hang":
            await asyncio.Event().wait()
        if fault.kind == "late":
            await self._cleared.wait(fault.seconds)
            return await answer()
        if fault.kind in ("lost", "mute"):
            await answer()
        if fault.kind == "mute":
            await asyncio.Event().wait()
        if fault.kind == "refused":
            raise named(fault.refusal)
        raise GRPCError(Status[fault.status], fault.message)
