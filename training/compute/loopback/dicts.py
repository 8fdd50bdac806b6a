"""`modal.Dict`: keys and values as bytes; `skip_if_exists` makes it a place for claims."""

from training.compute.loopback.messages import new_id
from training.compute.loopback.refusal import not_found
from training.compute.loopback.store import Store

__all__ = ["Dicts"]


class Dicts:
    """Dicts by name and their entries.

    Args:
        store: Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, name: str, create: bool) -> str:
        """The id of the dict of this name.

        Raises:
            GRPCError: There is none and `create` is false.
        """
        known = self._store.get("dict name", name)
        if known is not None:
            return str(known)
        if not create:
            raise not_found(f"Dict {name!r} does not exist")
        identity = new_id("di")
        self._store.put("dict name", name, identity)
        return identity

    def update(self, identity: str, entries: dict[bytes, bytes], if_absent: bool) -> bool:
        """Write entries; with `if_absent` only those whose key is new. Whether one was written."""
        created = False
        for key, value in entries.items():
            if if_absent and self.get(identity, key) is not None:
                continue
            self._store.put(f"dict {identity}", key.hex(), value.hex())
            created = True
        return created

    def get(self, identity: str, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        value = self._store.get(f"dict {identity}", key.hex())
        return None if value is None else bytes.fromhex(value)

    def pop(self, identity: str, key: bytes) -> bytes | None:
        """Remove a key; its value, or None."""
        value = self.get(identity, key)
        self._store.delete(f"dict {identity}", key.hex())
        return value

    def entries(self, identity: str) -> dict[bytes, bytes]:
        """Every entry."""
        found = self._store.items(f"dict {identity}")
        return {bytes.fromhex(key): bytes.fromhex(value) for key, value in found}
