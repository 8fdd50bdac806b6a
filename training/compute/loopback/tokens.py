"""Who may call: tokens that can be rotated, revoked, and that expire."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from training.compute.loopback.refusal import unauthenticated
from training.compute.loopback.store import Store

__all__ = ["Token", "Tokens"]


@dataclass(frozen=True)
class Token:
    """A token as the server knows it; `expires` is in seconds since 1970, 0 means never."""

    identity: str
    expires: float


class Tokens:
    """The tokens that are accepted.

    Args:
        store: Where they are kept.
        clock: Seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    def accept(self, identity: str, secret: str, expires: float = 0.0) -> None:
        """Let this token in from now on; another secret for a known id rotates it."""
        self._store.put("token", identity, {"secret": secret, "expires": expires})

    def revoke(self, identity: str) -> None:
        """Refuse this token from now on."""
        self._store.delete("token", identity)

    def check(self, metadata: Mapping[str, object]) -> Token:
        """The token that a request carries.

        Raises:
            GRPCError: There is none, it is refused, or it has expired.
        """
        identity = str(metadata.get("x-modal-token-id", ""))
        known = self._store.get("token", identity)
        if known is None or known["secret"] != metadata.get("x-modal-token-secret"):
            raise unauthenticated("Token validation failed: unknown token or wrong secret")
        if known["expires"] and known["expires"] <= self._clock():
            raise unauthenticated("Token has expired")
        return Token(identity, float(known["expires"]))
