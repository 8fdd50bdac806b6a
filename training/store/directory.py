"""Where everything lies on a volume: the one place that spells these names.

::

    datasets/<digest>/manifest.json, images.npy, labels.npy
    datasets/sources/<digest>.json     what a folder was last prepared as
    trainings/<key>/spec.json, adjustments.json, attempts.json, lock, owner.json, lease, starts.json
    trainings/<key>/metrics.jsonl, training.log, samples/, verdict.json, commit.json
    trainings/<key>/checkpoints/step-00000500/, saved.jsonl, pinned.json
    images/<fingerprint>.json          proofs of images
    sweeps/<digest>.json               rankings
    accounts/<key>.jsonl               what deleted trainings used, and commands that made data

What lies among checkpoints is spelled in `training.store.names`. Everything is read through the
volume port: local and Modal are one code. A runner also has paths, in properties ``…_path``.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import CheckpointError, ConfigError
from training.runner.checkpoints import Store
from training.runner.ending import Ending, Reference
from training.runner.order import Order, damaged_order
from training.store.layout import (
    ACCOUNTS,
    DATASETS,
    SOURCES,
    TRAININGS,
    LocalLayout,
    Paths,
    dataset_name,
    source_name,
)
from training.store.lease import Lease
from training.store.metrics import rows_of
from training.store.names import EARLIER_MANIFEST_FILE, MANIFEST_FILE, step_name, step_of
from training.store.volume import LocalVolume, Volume

__all__ = [
    "TrainingDirectory",
    "account_names",
    "dataset_digests",
    "dataset_name",
    "downloads_name",
    "proof_name",
    "ranking_name",
    "source_name",
    "trainings",
]


_TAIL = 1 << 16
"""Bytes of the end of metrics.jsonl in which the newest line with a loss is looked for."""


def dataset_digests(volume: Volume) -> list[str]:
    """The datasets of a volume."""
    names = volume.listdir(DATASETS)
    return [name for name in names if name != SOURCES and not name.startswith(".")]


def account_names(volume: Volume, since: float = 0.0) -> list[tuple[str, str]]:
    """Key and file of every account that was written since, also of what is deleted.

    Args:
        volume: Whose.
        since: Seconds since 1970.
    """
    kept = [(Path(each.path).stem, each) for each in volume.files(ACCOUNTS)]
    below = ((each.path.split("/"), each) for each in volume.files(TRAININGS))
    own = [(parts[1], each) for parts, each in below if parts[2:] == ["account.jsonl"]]
    return [(key, each.path) for key, each in [*own, *kept] if each.time >= since]


def downloads_name() -> str:
    """The directory of what was downloaded."""
    return "downloads"


def proof_name(fingerprint: str) -> str:
    """The proof that the image of a fingerprint works."""
    return f"images/{fingerprint}.json"


def ranking_name(digest: str) -> str:
    """The ranking of a sweep."""
    return f"sweeps/{digest}.json"


def trainings(volume: Volume) -> "list[TrainingDirectory]":
    """Every training of a volume, by key."""
    return [TrainingDirectory(volume, key) for key in volume.listdir(TRAININGS)]


@dataclass(frozen=True)
class TrainingDirectory(Paths):
    """Everything that one training has on a volume."""

    volume: Volume
    key: str

    @classmethod
    def local(cls, root: Path, key: str) -> "TrainingDirectory":
        """That of a training on a volume that is a directory of this machine."""
        return cls(LocalVolume(root), key)

    def _own(self, name: str) -> str:
        return f"{self.name}/{name}"

    def checkpoint_steps(self) -> list[int]:
        """The steps with a directory of a checkpoint, whether or not it is valid."""
        steps = (step_of(name) for name in self.volume.listdir(self.checkpoints_name))
        return sorted(step for step in steps if step is not None)

    # what a runner has besides

    @property
    def root(self) -> Path:
        """The volume's directory.

        Raises:
            CheckpointError: The volume is not on this machine.
        """
        root = self.volume.local_root
        if root is None:
            raise CheckpointError(
                f"volume {self.volume.name} is not on this machine",
                fix=f"modal volume get {self.volume.name} {self.name}",
                code="volume_elsewhere",
            )
        return root

    @property
    def metrics_path(self) -> Path:
        """One JSON object per line."""
        return self.root / self.metrics_name

    @property
    def checkpoints_path(self) -> Path:
        """The directory of checkpoints."""
        return self.root / self.checkpoints_name

    def sample_path(self, step: int) -> Path:
        """The grid drawn at `step`."""
        return self.path / "samples" / f"{step_name(step)}.png"

    def sample_paths(self) -> dict[int, Path]:
        """The grids that are there, by step."""
        grids = sorted(self.sample_path(0).parent.glob("*.png"))
        return {step: path for path in grids if (step := step_of(path.stem)) is not None}

    @property
    def layout(self) -> LocalLayout:
        """The same on this machine.

        Raises:
            CheckpointError: The volume is elsewhere.
        """
        return LocalLayout(self.root, self.key)

    def store(self, order: Order | None = None) -> Store:
        """The checkpoints of this training, on this machine.

        Args:
            order: What is trained, where that was read already.

        Raises:
            ConfigError: No training was launched.
        """
        order = order or self.read_order()
        if order is None:
            raise ConfigError(
                f"no training {self.key} in {self.root}",
                fix=f"python -m training list --volume {self.root}",
                code="training_missing",
            )
        # what was copied here from another training is none of this one's
        return Store(dataclasses.replace(order, key=self.key), self.layout)

    # reading and writing

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None."""
        try:
            return self.volume.read_bytes(name)
        except FileNotFoundError:
            return None

    def read_order(self) -> Order | None:
        """What is trained; None where none was launched.

        Raises:
            ConfigError: The file is there and cannot be understood.
        """
        content = self.read(self.spec_name)
        if content is None:
            return None
        where, stored = self._where(self.spec_name), self._parsed(content)
        if stored.get("format") != 1:
            return Order.from_json(content, where)
        from training.store import format1  # noqa: PLC0415 - it knows our models, a job has others

        try:
            return format1.order_of(stored)
        except (ValueError, TypeError, KeyError) as error:
            raise damaged_order(where, error) from error

    def write_order(self, order: Order) -> None:
        """Keep what is trained, and by what it is judged now, before it is launched."""
        self.volume.write_bytes(self.spec_name, order.to_json().encode())

    def read_ending(self, content: bytes | None = None) -> Ending | None:
        """How the last attempt ended, or None before the first end.

        Args:
            content: Of the file, where that was read already.

        Raises:
            CheckpointError: The file is there and cannot be understood.
        """
        content = content or self.read(self.result_name)
        if content is None:
            return None
        where, stored = self._where(self.result_name), self._parsed(content)
        if "format" in stored or "training_key" not in stored:
            return Ending.from_json(content, where)
        from training.store import format1  # noqa: PLC0415 - it knows our models, a job has others

        try:
            return format1.ending_of(stored)
        except (ValueError, TypeError, KeyError) as error:
            raise self._damaged(self.result_name, str(error)) from error

    @staticmethod
    def _parsed(content: bytes) -> dict[str, Any]:
        """The object in a file; empty where it is none, which its reader will say."""
        try:
            stored = json.loads(content)
        except ValueError:
            return {}
        return stored if isinstance(stored, dict) else {}

    def write_ending(self, ending: Ending) -> None:
        """Replace the verdict in one step."""
        self.volume.write_bytes(self.result_name, ending.to_json().encode())

    def forget_result(self) -> None:
        """Take back a result whose checkpoint is gone or damaged: it is not true any more.

        The next attempt goes on from the newest valid checkpoint.
        """
        for name in (self.result_name, self._own("result.json")):
            self.volume.remove(name)

    def holds(self, checkpoint: Reference | None) -> bool:
        """Whether a checkpoint that a result names is there."""
        return checkpoint is not None and self.volume.exists(self.manifest_of(checkpoint.path))

    def manifest_of(self, checkpoint: str) -> str:
        """Where the manifest of a checkpoint is below the volume, whether or not it is there.

        Args:
            checkpoint: Its directory, below the volume.
        """
        names = (MANIFEST_FILE, EARLIER_MANIFEST_FILE)
        there = (name for each in names if self.volume.exists(name := f"{checkpoint}/{each}"))
        return next(there, f"{checkpoint}/{MANIFEST_FILE}")

    @property
    def attempts(self) -> int:
        """How often a training process began work on this key."""
        stored = self._object(self.attempts_name)
        return 0 if stored is None else int(stored["count"])

    def begin_attempt(self) -> int:
        """Count one more attempt, durably; returns its number, from 1.

        The counter lives on the volume because a platform that restarts a lost container does
        not count that as a retry.
        """
        number = self.attempts + 1
        content = json.dumps({"count": number}) + "\n"
        self.volume.write_bytes(self.attempts_name, content.encode())
        return number

    @property
    def lease(self) -> str:
        """The call that trains this key, or trained it last; empty before the first."""
        return Lease(self.volume, self).holder

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Every whole line of metrics.jsonl, oldest first; a torn last line is passed over."""
        yield from rows_of(self.read(self.metrics_name) or b"")

    def last_rows(self) -> list[dict[str, Any]]:
        """The whole lines of the last 64 KiB of metrics.jsonl, oldest first."""
        try:
            return list(rows_of(self.volume.read_range(self.metrics_name, -_TAIL)))
        except FileNotFoundError:
            return []

    def last_metrics(self) -> dict[str, Any] | None:
        """The newest whole line that holds a loss, of the last 64 KiB; None without one."""
        rows = [row for row in self.last_rows() if "loss" in row]
        return rows[-1] if rows else None

    def _object(self, name: str) -> dict[str, Any] | None:
        content = self.read(name)
        if content is None:
            return None
        try:
            stored = json.loads(content)
        except ValueError as error:
            raise self._damaged(name, str(error)) from error
        if not isinstance(stored, dict):
            raise self._damaged(name, "not an object")
        return stored

    def _where(self, name: str) -> str:
        root = self.volume.local_root
        return name if root is None else f"{root / name}"

    def _damaged(self, name: str, why: str) -> CheckpointError:
        root, where = self.volume.local_root, self._where(name)
        remove = f"modal volume rm {self.volume.name}" if root is None else "rm"
        return CheckpointError(
            f"{where} cannot be read: {why.removeprefix('Value error, ')}",
            fix=f"{remove} {where}; checkpoints are kept, and the next run continues from them",
            code="damaged_record",
        )
