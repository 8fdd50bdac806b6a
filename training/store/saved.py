"""Which checkpoints a training saved itself: ``saved.jsonl``, the sha256 of each manifest.

A line is durable before its checkpoint gets its name. So a directory that was copied here from
another training, or whose manifest was changed and sealed again, is in no line and is not believed.
"""

import json
from pathlib import Path

from training.store.durable import append_line
from training.store.names import SAVED_FILE

__all__ = ["add_saved", "saved_in", "saved_manifests"]


def saved_manifests(root: Path) -> frozenset[str]:
    """The sha256 of every manifest that was saved below `root`."""
    try:
        return saved_in((root / SAVED_FILE).read_bytes())
    except OSError:
        return frozenset()  # a checkpoint that cannot be told from a copy is not believed


def saved_in(content: bytes) -> frozenset[str]:
    """The sha256 of every manifest, as the file that keeps them holds them."""
    found = set()
    for line in content.splitlines():
        try:
            found.add(str(json.loads(line)["sha256"]))
        except (ValueError, TypeError, KeyError):
            continue  # torn by a kill: its checkpoint never got its name
    return frozenset(found)


def add_saved(root: Path, step: int, sha256: str) -> None:
    """Add the manifest of a step, durably.

    Raises:
        OSError: There is no room.
    """
    line = json.dumps({"step": step, "sha256": sha256})
    append_line(root / SAVED_FILE, line.encode())
