"""What a sealed checkpoint is, and which of several stay: wherever they are read from."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.errors import CheckpointError
from training.runner.keep import Keep
from training.runner.order import Order
from training.store.names import MANIFEST_FILE

__all__ = ["Checkpoint", "pins_in", "seal_of", "sealed_in", "surplus_of"]


@dataclass(frozen=True)
class Checkpoint:
    """A sealed checkpoint.

    Attributes:
        step: How many steps it holds.
        path: Its directory; below the volume, where that is elsewhere.
        sha256: Of its manifest.
        metrics: What was measured last when it was sealed.
        files: Name below the directory to its sha256 and bytes.
    """

    step: int
    path: Path
    sha256: str
    metrics: Mapping[str, float]
    files: Mapping[str, tuple[str, int]]

    @property
    def bytes(self) -> int:
        """Room that its files take."""
        return sum(size for _, size in self.files.values())


def sealed_in(
    stored: bytes, step: int, path: Path, order: Order, saved: frozenset[str]
) -> Checkpoint:
    """The checkpoint that a manifest is of, when it is one of this training.

    Args:
        stored: The content of the manifest.
        step: By its name.
        path: Its directory.
        order: The training.
        saved: The sha256 of every manifest that it sealed.

    Raises:
        CheckpointError: It is no manifest, of another training, or was changed.
    """
    try:
        content = json.loads(stored)
        seal = content.pop("seal")
        files = {n: (str(f["sha256"]), int(f["bytes"])) for n, f in content["files"].items()}
        metrics = {name: float(value) for name, value in content["metrics"].items()}
        sha256 = hashlib.sha256(stored).hexdigest()
        entry = Checkpoint(int(content["step"]), path, sha256, metrics, files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{MANIFEST_FILE} is no manifest: {error}") from error
    if content.get("format") == 1:
        pass  # it says nothing of where it belongs: that it was saved here is proof enough
    elif content.get("training_key") != order.key:
        raise CheckpointError(f"it is of training {content.get('training_key') or 'unknown'}")
    elif content.get("data") != order.data:
        raise CheckpointError(f"it learned from data {str(content.get('data'))[:12]}, not ours")
    if seal != seal_of(content):
        raise CheckpointError(f"{MANIFEST_FILE} was changed after it was sealed")
    if entry.step != step:
        raise CheckpointError(f"it is a copy of step {entry.step} under another name")
    if entry.sha256 not in saved:
        raise CheckpointError(f"this training never sealed its {MANIFEST_FILE}")
    return entry


def seal_of(content: Mapping[str, Any]) -> str:
    """What a manifest holds that nobody changed."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def surplus_of(
    entries: Sequence[Checkpoint],
    keep: Keep,
    pinned: frozenset[int],
    is_valid: Callable[[Checkpoint], bool],
) -> list[Checkpoint]:
    """What is not kept of some checkpoints: a damaged one takes no valid one's place.

    Args:
        entries: All there are, by step.
        keep: The policy.
        pinned: The steps that somebody wants kept.
        is_valid: Whether every byte of one is as sealed; asked of as few as need be.
    """
    believed = list(entries)
    while True:
        measured = {entry.step: entry.metrics for entry in believed}
        kept = keep.kept(measured) | pinned
        gone = [entry for entry in believed if entry.step not in kept]
        # the newest and the best are read only where another would go for their sake
        first = replace(keep, every=0).kept(measured) if gone else ()
        trusted = [entry for entry in believed if entry.step in first]
        damaged = [entry for entry in trusted if not is_valid(entry)]
        if not damaged:
            return gone
        believed = [entry for entry in believed if entry not in damaged]


def pins_in(content: bytes, where: str) -> frozenset[int]:
    """The steps in the file that holds what is pinned.

    Args:
        content: Of the file.
        where: Its name, for the error.

    Raises:
        CheckpointError: It cannot be understood, so nothing may go.
    """
    try:
        return frozenset(int(step) for step in json.loads(content)["steps"])
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{where} cannot be read: {error}",
            fix=f"rm {where}, then pin again what must stay",
            code="damaged_record",
        ) from error
