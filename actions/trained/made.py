"""What a declared training made, read through the volume: its checkpoints, its best, its output."""

import json
import math
from collections.abc import Mapping
from typing import Any

from training.declare.data import Placed
from training.key import content_digest
from training.runner.ending import Ending, Reference
from training.runner.order import Order
from training.store.commit import read_commit
from training.store.directory import TrainingDirectory
from training.store.distant import checkpoints_of

__all__ = ["best_of", "output_of"]


def best_of(directory: TrainingDirectory, order: Order, ending: Ending) -> Reference | None:
    """The checkpoint of a finished training that its policy calls best; else the newest."""
    keep, scored = order.keep, list[tuple[float, int, str]]()
    for step, path in checkpoints_of(directory, order).items() if keep.best else ():
        value = _metrics_of(directory, path).get(keep.best or "", math.nan)
        if isinstance(value, int | float) and math.isfinite(value):
            scored.append((value if keep.best_of == "lowest" else -value, -step, path))
    if not scored:
        return ending.checkpoint
    _, step, path = min(scored)
    sha256 = directory.volume.sha256(directory.manifest_of(path))
    return Reference(path, sha256, -step)


def _metrics_of(directory: TrainingDirectory, path: str) -> Mapping[str, Any]:
    try:
        manifest = json.loads(directory.read(directory.manifest_of(path)) or b"{}")
    except ValueError:
        return {}
    metrics = manifest.get("metrics", {}) if isinstance(manifest, dict) else {}
    return metrics if isinstance(metrics, dict) else {}


def output_of(directory: TrainingDirectory, name: str) -> Placed | None:
    """What a committed training wrote for others; None where it wrote nothing.

    Its digest is that of names and contents as they were verified when it was committed.
    """
    commit, place = read_commit(directory), directory.output_name
    files = {} if commit is None else commit.files
    entries = [
        (path.removeprefix(f"{place}/"), each.bytes, each.sha256)
        for path, each in files.items()
        if path.startswith(f"{place}/")
    ]
    return Placed(content_digest(entries), place, name) if entries else None
