"""What a script left at its end, and what the verdict says of it."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from training.runner.ending import Reference
from training.runner.ends import read_object
from training.runner.order import Order
from training.runner.sealed import Checkpoint
from training.store.layout import LocalLayout

__all__ = ["forget_result", "now", "reference_to", "result_of", "samples_of"]


def forget_result(order: Order, layout: LocalLayout, step: int) -> bool:
    """Remove an earlier attempt's result when there are steps to make; whether there was one.

    Otherwise an attempt that is stopped before it wrote its own would be finished by that of one
    which failed. Where no step is left to make, the result is what those steps gave.

    Args:
        order: Says where it is.
        layout: Where the training is.
        step: The one that is continued from.
    """
    if order.target_step is not None and step >= order.target_step:
        return False
    path = _result_path(order, layout)
    if not path.is_file() or not path.resolve().is_relative_to(layout.path.resolve()):
        return False
    path.unlink()
    return True


def _result_path(order: Order, layout: LocalLayout) -> Path:
    return layout.script_result_path if order.result is None else layout.path / order.result.file


def result_of(order: Order, layout: LocalLayout) -> Mapping[str, object] | None:
    """What the script says, under the names that the declaration gives; None before its end."""
    stored = read_object(_result_path(order, layout))
    if stored is None or order.result is None or not order.result.names:
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
