"""What a sealed checkpoint is, and which of several stay: wherever they are read from.

Its manifest has a name that no script gives a file of its own. In formats 1 to 3 it was called
``manifest.json``; those are read as ever.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from training.errors import CheckpointError
from training.runner.keep import Keep
from training.runner.order import Order
from training.store.names import EARLIER_MANIFEST_FILE, MANIFEST_FILE
from training.store.saved import Saved

__all__ = ["Checkpoint", "manifest_of", "pins_in", "seal_of", "sealed_in", "surplus_of"]


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


def manifest_of(path: Path, step: int, saved: Saved) -> Path | None:
    """The manifest of a checkpoint on this machine; None where it is not sealed.

    A ``manifest.json`` is ours where one was sealed under that name at this step, or where it has
    what only ours have: damaged, or copied from another training, it is none of the script's.
    """
    manifest, earlier = path / MANIFEST_FILE, path / EARLIER_MANIFEST_FILE
    if manifest.exists():
        return manifest
    if not earlier.exists():
        return None
    return earlier if step in saved.earlier_steps or _has_a_seal(earlier) else None


def _has_a_seal(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"seal", "files", "step", "format"} <= content.keys()


def sealed_in(
    stored: bytes, step: int, path: Path, order: Order, saved: Saved, name: str = MANIFEST_FILE
) -> Checkpoint:
    """The checkpoint that a manifest is of, when it is one of this training.

    Args:
        stored: The content of the manifest.
        step: By its name.
        path: Its directory.
        order: The training.
        saved: What it sealed.
        name: How the manifest is called.

    Raises:
        CheckpointError: It is no manifest, of another training, or was changed.
    """
    try:
        content = json.loads(stored)
        seal = content.pop("seal")
        files = {n: (str(f["sha256"]), int(f["bytes"])) for n, f in content["files"].items()}
        metrics = {n: float(value) for n, value in content["metrics"].items()}
        sha256 = hashlib.sha256(stored).hexdigest()
        entry = Checkpoint(int(content["step"]), path, sha256, metrics, files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{name} is no manifest: {error}") from error
    if content.get("format") == 1:
        pass  # it says nothing of where it belongs: that it was saved here is proof enough
    elif content.get("training_key") != order.key:
        raise CheckpointError(f"it is of training {content.get('training_key') or 'unknown'}")
    elif content.get("data") != order.data:
        raise CheckpointError(f"it learned from data {str(content.get('data'))[:12]}, not ours")
    if seal != seal_of(content):
        raise CheckpointError(f"{name} was changed after it was sealed")
    if entry.step != step:
        raise CheckpointError(f"it is a copy of step {entry.step} under another name")
    if entry.sha256 not in saved.manifests:
        raise CheckpointError(f"this training never sealed its {name}")
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
