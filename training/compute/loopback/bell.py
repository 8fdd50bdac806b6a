"""Waking those who wait for something to change.

Futures and not `asyncio.Condition`: a condition inside `wait_for` was seen to hang under stress.
"""

import asyncio

__all__ = ["Bell"]


class Bell:
    """Rung when something changed; whoever waits looks again."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake everybody."""
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """Wait until the next ring, at most `seconds`; whether it rang."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            done, _ = await asyncio.wait({future}, timeout=max(seconds, 0.0))
        finally:
            self._waiting.discard(future)
        return bool(done)
