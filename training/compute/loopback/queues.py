"""`modal.Queue`: partitions of values in the order they came."""

import itertools
import time

from training.compute.loopback.bell import Bell
from training.compute.loopback.messages import new_id
from training.compute.loopback.refusal import full, not_found
from training.compute.loopback.store import Store

__all__ = ["MOST_ITEMS", "Queues"]

MOST_ITEMS = 5_000
"""What a partition holds, by Modal's guide."""


class Queues:
    """Queues by name and what waits in them.

    Args:
        store: Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bell = Bell()

    def open(self, name: str, create: bool) -> str:
        """The id of the queue of this name.

        Raises:
            GRPCError: There is none and `create` is false.
        """
        known = self._store.get("queue name", name)
        if known is not None:
            return str(known)
        if not create:
            raise not_found(f"Queue {name!r} does not exist")
        identity = new_id("qu")
        self._store.put("queue name", name, identity)
        return identity

    def delete(self, identity: str) -> None:
        """Forget a queue and what is in it."""
        for name, known in list(self._store.items("queue name")):
            if known == identity:
                self._store.delete("queue name", name)
        self.clear(identity, None)

    def put(self, identity: str, partition: bytes, values: list[bytes]) -> None:
        """Add values at the end.

        Raises:
            GRPCError: The partition is full.
        """
        held = self._held(identity, partition)
        if len(held) + len(values) > MOST_ITEMS:
            raise full(f"the queue is full: at most {MOST_ITEMS} items in a partition")
        numbers = itertools.count(held[-1][0] + 1 if held else time.time_ns())
        held += [(next(numbers), value) for value in values]
        self._keep(identity, partition, held)
        self._bell.ring()

    async def take(self, identity: str, partition: bytes, most: int, seconds: float) -> list[bytes]:
        """Remove the oldest values, at least one, waited for at most so long."""
        until = time.monotonic() + seconds
        while not (held := self._held(identity, partition)):
            left = until - time.monotonic()
            if left <= 0:
                return []
            await self._bell.wait(left)
        self._keep(identity, partition, held[most:])
        return [value for _, value in held[:most]]

    async def after(
        self, identity: str, partition: bytes, entry: str, seconds: float
    ) -> list[tuple[str, bytes]]:
        """Id and value of those after an entry, which stay; waited for at most so long."""
        seen, until = int(entry or "0"), time.monotonic() + seconds
        while True:
            found = [(str(n), value) for n, value in self._held(identity, partition) if n > seen]
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            await self._bell.wait(left)

    def length(self, identity: str, partition: bytes | None) -> int:
        """How many wait in a partition, or in all."""
        partitions = self._partitions(identity) if partition is None else [partition]
        return sum(len(self._held(identity, each)) for each in partitions)

    def clear(self, identity: str, partition: bytes | None) -> None:
        """Empty a partition, or all."""
        for each in self._partitions(identity) if partition is None else [partition]:
            self._store.delete(f"queue {identity}", each.hex())

    def _partitions(self, identity: str) -> list[bytes]:
        return [bytes.fromhex(name) for name, _ in self._store.items(f"queue {identity}")]

    def _held(self, identity: str, partition: bytes) -> list[tuple[int, bytes]]:
        kept = self._store.get(f"queue {identity}", partition.hex()) or []
        return [(number, bytes.fromhex(value)) for number, value in kept]

    def _keep(self, identity: str, partition: bytes, held: list[tuple[int, bytes]]) -> None:
        values = [(number, value.hex()) for number, value in held]
        self._store.put(f"queue {identity}", partition.hex(), values)
