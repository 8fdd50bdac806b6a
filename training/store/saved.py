"""Which checkpoints a training saved itself: ``saved.jsonl``, the sha256 of each manifest.

A line is durable before its checkpoint gets its name. So a directory that was copied here from
another training, or whose manifest was changed and sealed again, is in no line and is not believed.
"""

import json
import os
from pathlib import Path

from training.store.names import SAVED_FILE

__all__ = ["add_saved", "saved_manifests"]


def saved_manifests(root: Path) -> frozenset[str]:
    """The sha256 of every manifest that was saved below `root`."""
    try:
        lines = (root / SAVED_FILE).read_bytes().splitlines()
    except OSError:
        return frozenset()  # a checkpoint that cannot be told from a copy is not believed
    found = set()
    for line in lines:
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
    path = root / SAVED_FILE
    line = json.dumps({"step": step, "sha256": sha256}).encode() + b"\n"
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            # whoever was killed in the middle of a line must not spoil this one
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
