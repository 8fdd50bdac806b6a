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

    @property
    def without_life(self) -> int:
        """How often this training was started, all calls together, since it showed life."""
        return int(self._starts().get("without_life", 0))

    def count_start(self, call: str) -> int:
        """Count one more start; how often this call was started since its newest checkpoint.

        The platform starts a container that died again, uncounted and for ever: so it is counted
        here.
        """
        newest = self._newest()
        known = self._starts()
        same = (known.get("call"), known.get("checkpoint")) == (call, newest)
        further = known.get("checkpoint") != newest
        count = int(known["count"]) + 1 if same else 1
        self._write(call, newest, count, 1 if further else self.without_life + 1)
        return count

    def show_life(self) -> None:
        """What was started works: the starts without a sign of life are counted anew."""
        known = self._starts()
        if known:
            self._write(known["call"], known["checkpoint"], int(known["count"]), 0)

    def _write(self, call: str, newest: str, count: int, without_life: int) -> None:
        content = {
            "call": call,
            "checkpoint": newest,
            "without_life": without_life,
            "count": count,
        }
        self.volume.write_bytes(self.names.starts_name, json.dumps(content).encode())

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
