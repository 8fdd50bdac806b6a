"""How much room there is where training writes."""

import shutil
from pathlib import Path

from actions.ports import ports_of
from agents.declare.actions import Context, sensor
from agents.declare.facts import UNKNOWN, Reading
from goals.placed import PlacedParameters
from goals.world import F

__all__ = ["BYTES_PER_MB", "free_mb", "free_mb_of"]

BYTES_PER_MB = 1e6


@sensor(F.free_mb, parameters=PlacedParameters)
def free_mb(context: Context[PlacedParameters]) -> Reading:
    """Free space of the disk the volume is on."""
    root = ports_of(context).volume.local_root
    if root is None:
        return Reading(UNKNOWN, "a Modal Volume grows as it is written")
    return Reading(free_mb_of(root), f"free on the disk of {root}")


def free_mb_of(root: Path) -> float:
    """Free space of the disk that a directory is on, or will be."""
    existing = next(path for path in (root, *root.parents) if path.exists())
    return shutil.disk_usage(existing).free / BYTES_PER_MB
