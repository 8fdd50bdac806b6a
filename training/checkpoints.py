"""Checkpoints that are whole or do not exist.

A checkpoint is a directory ``step-00010000/`` of safetensors files, ``state.json`` and a
``manifest.json`` with the sha256 of each. It is written under a temporary name, synced, renamed.
Whatever is not proved by its manifest is reported and passed over. No pickle is ever read.

Importing this module imports neither torch nor safetensors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CheckpointManifest", "CheckpointStore", "Entry", "FileRecord"]

Tensors: TypeAlias = Mapping[str, Mapping[str, "Tensor"]]


class FileRecord(BaseModel):
    """Checksum and length of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    bytes: int


class CheckpointManifest(BaseModel):
    """What a checkpoint holds; without a valid one it does not exist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    step: int
    metrics: dict[str, float]
    files: dict[str, FileRecord]
    created: str
    torch: str
    dtype: str
    threads: int
    seal: str = ""


@dataclass(frozen=True)
class Entry:
    """One checkpoint in a store."""

    path: Path
    manifest: CheckpointManifest

    @property
    def step(self) -> int:
        """The step, as the manifest says it."""
        return self.manifest.step


class CheckpointStore:
    """The checkpoints of one training below `root` (``<volume>/checkpoints/<model>/<key>``)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entries(self) -> tuple[Entry, ...]:
        """Every directory with a manifest that holds together, by step; bytes are not read."""
        raise NotImplementedError

    def newest_valid(self, report: Callable[[Path, str], None] | None = None) -> Entry | None:
        """The newest checkpoint whose every byte is proved; damaged ones go to `report`."""
        raise NotImplementedError

    def verify(self, entry: Entry) -> None:
        """Return when every byte of `entry` is as written; raise `CheckpointError` otherwise."""
        raise NotImplementedError

    def write(
        self,
        step: int,
        tensors: Tensors,
        state: Mapping[str, Any],
        metrics: Mapping[str, float] | None = None,
        *,
        dtype: str = "fp32",
        threads: int = 1,
        before_rename: Callable[[Path], None] | None = None,
    ) -> Entry:
        """Write a checkpoint (file stem -> tensor name -> tensor) and return its entry."""
        raise NotImplementedError

    def read(self, entry: Entry) -> tuple[dict[str, dict[str, "Tensor"]], dict[str, Any]]:
        """The tensors (on the CPU) and the state, checksums compared on the way."""
        raise NotImplementedError
