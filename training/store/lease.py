"""Which call of a platform trains a key, and how often it was started; the standard library alone.

Claims of launchers are forgotten by the platform in time; what is kept here is not.
"""

import json
from dataclasses import dataclass
from typing import Any

from training.store.layout import Layout
from training.store.names import step_of
from training.store.volume import Volume

__all__ = ["Lease"]


@dataclass(frozen=True)
class Lease:
    """The lease of one training.

    Attributes:
        volume: Where it is kept.
        names: What the training's files are called.
    """

    volume: Volume
    names: Layout

    @property
    def holder(self) -> str:
        """The call that trains this key, or trained it last; empty before the first."""
        try:
            return self.volume.read_bytes(self.names.lease_name).decode()
        except FileNotFoundError:
            return ""

    def take(self, call: str) -> None:
        """Keep which call trains this key."""
        self.volume.write_bytes(self.names.lease_name, call.encode())

    def count_start(self, call: str) -> int:
        """How often this call was started since its newest checkpoint.

        The platform starts a container that died again, uncounted and for ever: so it is counted
        here.
        """
        newest = self._newest()
        known = self._starts()
        same = (known.get("call"), known.get("checkpoint")) == (call, newest)
        count = int(known["count"]) + 1 if same else 1
        content = {"call": call, "checkpoint": newest, "count": count}
        self.volume.write_bytes(self.names.starts_name, json.dumps(content).encode())
        return count

    def _newest(self) -> str:
        """What is different after a new checkpoint, whatever a script calls its own."""
        listed = self.volume.listdir(self.names.checkpoints_name)
        steps = [name for name in listed if step_of(name) is not None]
        return f"{max(steps, default='')} {self.volume.size(self.names.saved_name) or 0}"

    def _starts(self) -> dict[str, Any]:
        try:
            stored = json.loads(self.volume.read_bytes(self.names.starts_name))
        except (FileNotFoundError, ValueError):
            return {}  # counting from 1 again costs a few starts, and no training
        return stored if isinstance(stored, dict) else {}
