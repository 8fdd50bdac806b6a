"""Secrets: names and values for the environment of a container, kept under a name."""

import hashlib
import json

from training.compute.loopback.messages import new_id
from training.compute.loopback.refusal import exists, invalid, not_found
from training.compute.loopback.store import Store

__all__ = ["Secrets"]


class Secrets:
    """Secrets by id and by name; a rehearsal's are as safe as its directory.

    Args:
        store: Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, name: str, values: dict[str, str], *, overwrite: bool, fail: bool) -> str:
        """Keep values under a name; the id.

        Args:
            name: Its name.
            values: What a container finds in its environment.
            overwrite: Replace what is kept under this name.
            fail: Refuse where there is one already.

        Raises:
            GRPCError: There is one already.
        """
        known = self._store.get("secret name", name)
        if known is not None and fail:
            raise exists(f"Secret {name!r} already exists")
        if known is not None and not overwrite:
            return str(known)
        identity = str(known or new_id("st"))
        self._store.put("secret", identity, values)
        self._store.put("secret name", name, identity)
        return identity

    def unnamed(self, values: dict[str, str]) -> str:
        """Keep values that a client wrote into its program; the id."""
        text = json.dumps(values, sort_keys=True)
        identity = f"st-{hashlib.sha256(text.encode()).hexdigest()[:22]}"
        self._store.put("secret", identity, values)
        return identity

    def named(self, name: str, required: list[str]) -> str:
        """The id of a secret.

        Raises:
            GRPCError: There is none of this name, or it lacks a key that is required.
        """
        known = self._store.get("secret name", name)
        if known is None:
            raise not_found(f"Secret {name!r} not found in environment 'main'")
        missing = sorted(set(required) - set(self.values(str(known))))
        if missing:
            raise invalid(f"Secret {name!r} has no {', '.join(missing)}")
        return str(known)

    def values(self, identity: str) -> dict[str, str]:
        """What is in a secret.

        Raises:
            GRPCError: There is none.
        """
        values: dict[str, str] | None = self._store.get("secret", identity)
        if values is None:
            raise not_found(f"Secret {identity} does not exist")
        return values

    def names(self) -> dict[str, str]:
        """Name to id."""
        return {name: str(identity) for name, identity in self._store.items("secret name")}

    def delete(self, identity: str) -> None:
        """Forget a secret."""
        self._store.delete("secret", identity)
        for name, known in self.names().items():
            if known == identity:
                self._store.delete("secret name", name)
