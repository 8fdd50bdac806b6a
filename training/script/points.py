"""Checkpoints from the loop's point of view: what a learner needs to go on, and where that is kept.

By the contract a script writes files and gives them a name; whoever started it hashes, seals and
prunes. What no seal holds, such as the numbers so far, is in the script's own ``state.json``.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from training.contract import Run
from training.errors import CheckpointError
from training.store.durable import disk_errors
from training.store.fit import Tensors, check_fit, invalid
from training.store.names import EARLIER_MANIFEST_FILE, STATE_FILE, step_of
from training.store.tensorfile import SUFFIX, read_tensors, write_files

__all__ = ["Arithmetic", "Point", "Points", "RunPoints"]


@dataclass(frozen=True)
class Arithmetic:
    """What the last bits of the weights depend on, beside the step.

    Attributes:
        dtype: Type of the matrix products.
        threads: CPU threads of a process.
        micro_batch: Images that go through the model at the same time, in one process.
        processes: How many train together.
        torch: Its version.
    """

    dtype: str = "fp32"
    threads: int = 1
    micro_batch: int | None = None
    processes: int | None = None
    torch: str = ""


@dataclass(frozen=True)
class Point:
    """A learner after some step.

    Attributes:
        step: Steps done.
        tensors: All that changes, by file stem and name.
        loss_start: The first loss, which later ones are compared with; None before the first.
        seconds: What training took so far, all attempts together.
        metrics: Newest value of everything measured; finite numbers only.
        arithmetic: What the last bits of the weights depend on.
    """

    step: int
    tensors: Tensors
    loss_start: float | None
    seconds: float
    metrics: Mapping[str, float]
    arithmetic: Arithmetic


class Points(Protocol):
    """Where points are kept."""

    def newest(self, into: Tensors) -> Point | None:
        """The point to go on from; None to begin.

        Args:
            into: Where its tensors are to go.
        """

    def keep(self, point: Point) -> None:
        """Keep a point, durably.

        Raises:
            DiskFull: There is no room; those before are untouched.
        """


class RunPoints:
    """The points of a script: checkpoints in its run directory.

    Args:
        run: What it was given.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def newest(self, into: Tensors) -> Point | None:
        """As `Points`; which one it is, whoever started the script has said.

        Raises:
            CheckpointError: It is none that this model can go on from.
        """
        path = self._run.resume()
        if path is None:
            return None
        tensors = {file.stem: read_tensors(file) for file in sorted(path.glob(f"*{SUFFIX}"))}
        check_fit(path, tensors, into)
        step = step_of(path.name)
        if step is None:
            raise invalid(path, "its name says no step")
        state = {**_sealed(path), **_object(path, STATE_FILE)}
        return Point(
            step,
            tensors,
            state["loss_start"],
            state["seconds"],
            state.get("metrics", {}),
            Arithmetic(**state.get("arithmetic", {})),
        )

    def keep(self, point: Point) -> None:
        """As `Points`."""
        state = {
            "loss_start": point.loss_start,
            "seconds": point.seconds,
            "metrics": {k: v for k, v in point.metrics.items() if math.isfinite(v)},
            "arithmetic": asdict(point.arithmetic),
        }
        with (
            disk_errors(self._run.directory),
            self._run.checkpoint(point.step) as directory,
        ):
            write_files(directory, point.tensors, state)


def _object(path: Path, name: str) -> dict[str, Any]:
    try:
        stored = json.loads((path / name).read_bytes())
    except (OSError, ValueError) as error:
        raise invalid(path, f"{name}: {error}") from error
    if not isinstance(stored, dict):
        raise invalid(path, f"{name} holds no object")
    return stored


def _sealed(path: Path) -> dict[str, Any]:
    """What a manifest of an earlier version says that the state holds now."""
    try:
        manifest = _object(path, EARLIER_MANIFEST_FILE)
    except CheckpointError:
        return {}  # by hand nobody seals
    if manifest.get("format") not in (1, 2):
        return {}
    names = Arithmetic.__dataclass_fields__
    known = {name: manifest[name] for name in names if manifest.get(name) is not None}
    return {"metrics": manifest["metrics"], "arithmetic": known}
