"""Which checkpoints a training saved itself: ``saved.jsonl``, the sha256 of each manifest.

A line is durable before its checkpoint gets its name. So a directory that was copied here from
another training, or whose manifest was changed and sealed again, is in no line and is not believed.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from training.store.durable import append_line
from training.store.names import EARLIER_MANIFEST_FILE, MANIFEST_FILE, SAVED_FILE

__all__ = ["Saved", "add_saved", "read_saved", "saved_in"]


@dataclass(frozen=True)
class Saved:
    """What a training saved.

    Attributes:
        manifests: The sha256 of every manifest.
        earlier_steps: Steps whose manifest has the name that it had in formats 1 to 3.
    """

    manifests: frozenset[str] = frozenset()
    earlier_steps: frozenset[int] = frozenset()


def read_saved(root: Path) -> Saved:
    """What was saved below `root`."""
    try:
        return saved_in((root / SAVED_FILE).read_bytes())
    except OSError:
        return Saved()  # a checkpoint that cannot be told from a copy is not believed


def saved_in(content: bytes) -> Saved:
    """What was saved, as the file that keeps it holds it."""
    manifests, earlier = set[str](), set[int]()
    for line in content.splitlines():
        try:
            stored = json.loads(line)
            manifests.add(str(stored["sha256"]))
            is_earlier = stored.get("manifest", EARLIER_MANIFEST_FILE) == EARLIER_MANIFEST_FILE
            (earlier.add if is_earlier else earlier.discard)(int(stored["step"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # torn by a kill: its checkpoint never got its name
    return Saved(frozenset(manifests), frozenset(earlier))


def add_saved(root: Path, step: int, sha256: str, manifest: str = MANIFEST_FILE) -> None:
    """Add the manifest of a step, durably.

    Args:
        root: Where the checkpoints are.
        step: Of the checkpoint.
        sha256: Of its manifest.
        manifest: How that is called in it.

    Raises:
        OSError: There is no room.
    """
    line = json.dumps({"step": step, "sha256": sha256, "manifest": manifest})
    append_line(root / SAVED_FILE, line.encode())
