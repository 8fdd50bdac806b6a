"""Connections to a server: so many at most, and none that keeps silent for long.

Whoever connects may send nothing, or a byte a minute. A connection is only worth its place while it
says something: those whose request is not heard yet, or not trusted, make room for new ones, the
oldest first, and end after a while in any case. So a stranger can't keep others out.
"""

import asyncio
import resource
from collections.abc import Callable

__all__ = ["Connections"]

MOST = 256
HEAD_SECONDS = 5.0
BODY_SECONDS = 10.0
IDLE_SECONDS = 15.0


class Connections:
    """The connections of one server; all of it happens in its loop.

    Args:
        most: So many at once; by default as many as this process may have.
        head_seconds: Who has not sent the head of a request by then is cut off.
        body_seconds: Who has not sent a signed body by then is cut off.
        idle_seconds: Who sends no further request by then is cut off.
    """

    def __init__(
        self,
        most: int = 0,
        *,
        head_seconds: float = HEAD_SECONDS,
        body_seconds: float = BODY_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.most = most or _granted()
        self._head_seconds = head_seconds
        self._body_seconds = body_seconds
        self._idle_seconds = idle_seconds
        self._open: dict[asyncio.BaseTransport, _Guarded] = {}
        # in the order in which they began to keep us waiting
        self._unheard: dict[_Guarded, None] = {}

    def guarded(self, factory: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """What makes the protocol of each connection, so that it is one of these."""
        return lambda: _Guarded(self, factory())

    def heard(self, transport: asyncio.BaseTransport | None) -> None:
        """The head of a request was read; its body may take a while."""
        self._expect(transport, self._body_seconds)

    def trusted(self, transport: asyncio.BaseTransport | None) -> None:
        """What was read is signed: it is answered, however long that takes."""
        guarded = self._of(transport)
        if guarded is not None:
            self._unheard.pop(guarded, None)
            guarded.expect(None)

    def answered(self, transport: asyncio.BaseTransport | None) -> None:
        """It may send another request."""
        self._expect(transport, self._idle_seconds)

    def close(self) -> None:
        """End those that nobody waits for an answer on."""
        for guarded in list(self._unheard):
            guarded.end()

    def opened(self, guarded: "_Guarded", transport: asyncio.BaseTransport) -> None:
        """Take a connection in; the one that kept silent longest makes room for it."""
        while len(self._open) >= self.most and self._unheard:
            next(iter(self._unheard)).end()
        self._open[transport] = guarded
        self._expect(transport, self._head_seconds)

    def closed(self, guarded: "_Guarded", transport: asyncio.BaseTransport | None) -> None:
        """Forget a connection."""
        self._unheard.pop(guarded, None)
        if transport is not None:
            self._open.pop(transport, None)

    def _of(self, transport: asyncio.BaseTransport | None) -> "_Guarded | None":
        return None if transport is None else self._open.get(transport)

    def _expect(self, transport: asyncio.BaseTransport | None, seconds: float) -> None:
        guarded = self._of(transport)
        if guarded is not None:
            self._unheard.pop(guarded, None)
            self._unheard[guarded] = None
            guarded.expect(seconds)


def _granted() -> int:
    """As many connections as this process may have open, with room for what else it opens."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else max(8, min(MOST, soft // 2))


class _Guarded(asyncio.Protocol):
    """The protocol of one connection: that of the server, and a time by when it is to be used."""

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self._connections, self._inner = connections, inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, seconds: float | None) -> None:
        """End it so many seconds from now; None: not by itself."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        """Close it at once, whatever was not sent yet."""
        self._connections.closed(self, self._transport)
        self.expect(None)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self._transport = transport
        self._inner.connection_made(transport)
        self._connections.opened(self, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._connections.closed(self, self._transport)
        self.expect(None)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Nothing more will come."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """What was sent is not fetched."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It is fetched again."""
        self._inner.resume_writing()
