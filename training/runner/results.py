"""What a script left at its end, and what the verdict says of it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

from training.runner.checkpoints import Checkpoint
from training.runner.ending import Reference
from training.runner.ends import read_object
from training.runner.order import Order
from training.store.layout import LocalLayout

__all__ = ["now", "reference_to", "result_of", "samples_of"]


def result_of(order: Order, layout: LocalLayout) -> Mapping[str, object] | None:
    """What the script says, under the names that the declaration gives; None before its end."""
    if order.result is None:
        return read_object(layout.script_result_path)
    stored = read_object(layout.path / order.result.file)
    if stored is None or not order.result.names:
        return stored
    found: dict[str, object] = {}
    for name, there in order.result.names.items():
        value: object = stored
        for part in there.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[name] = value
    return found


def reference_to(layout: LocalLayout, checkpoint: Checkpoint | None) -> Reference | None:
    """A checkpoint as the verdict names it."""
    if checkpoint is None:
        return None
    place = checkpoint.path.relative_to(layout.root).as_posix()
    return Reference(place, checkpoint.sha256, checkpoint.step)


def samples_of(layout: LocalLayout) -> Reference | None:
    """The newest file that a script drew or wrote for people to look at; None without one."""
    files = [path for path in layout.samples_path.glob("*") if path.is_file()]
    if not files:
        return None
    newest = max(files, key=lambda path: (path.stat().st_mtime_ns, path.name))
    place = newest.relative_to(layout.root).as_posix()
    return Reference(place, hashlib.sha256(newest.read_bytes()).hexdigest())


def now() -> str:
    """The time of day, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
