"""One checkpoint on disk: its manifest, and the proof that its bytes are as written."""

import hashlib
import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import CheckpointError
from training.store.names import MANIFEST_FILE, STATE_FILE, step_name
from training.store.tensorfile import file_sha256

__all__ = [
    "Arithmetic",
    "CheckpointManifest",
    "Entry",
    "FileRecord",
    "invalid",
    "read_entry",
    "verify_files",
]

# Reading waits for the disk while hashing uses a core; more threads than this only add switches.
_THREADS = 4


_SINCE_2 = ("training_key", "data", "micro_batch", "processes")


class FileRecord(BaseModel):
    """Checksum and length of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    bytes: int


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


class CheckpointManifest(BaseModel):
    """What a checkpoint holds; without a valid one it does not exist.

    `seal` is the sha256 of everything else in it, so that a damaged manifest is not believed. A
    manifest of format 1 is of an earlier version and says nothing of where it belongs.

    Attributes:
        training_key: The training it is of.
        data: Digest of the dataset that was learned from.
        micro_batch: Images that went through the model at the same time, in one process.
        processes: How many trained together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1, 2] = 2
    training_key: str = ""
    data: str = ""
    step: int
    metrics: dict[str, float]
    files: dict[str, FileRecord]
    created: str
    torch: str
    dtype: str
    threads: int
    micro_batch: int | None = None
    processes: int | None = None
    seal: str = ""

    def sealed(self) -> "CheckpointManifest":
        """The same manifest with the right seal."""
        content = self.model_dump(mode="json", exclude={"seal", *self._later()})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return self.model_copy(update={"seal": hashlib.sha256(text.encode()).hexdigest()})

    def _later(self) -> tuple[str, ...]:
        """What format 1 did not have."""
        return _SINCE_2 if self.format == 1 else ()


@dataclass(frozen=True)
class Entry:
    """One checkpoint in a store; `sha256` is that of its manifest, which holds all the others."""

    path: Path
    manifest: CheckpointManifest
    sha256: str = field(compare=False)

    @property
    def step(self) -> int:
        """The step, as the manifest says it."""
        return self.manifest.step

    @property
    def bytes(self) -> int:
        """Room that its files take."""
        return sum(record.bytes for record in self.manifest.files.values())


def read_entry(path: Path) -> Entry:
    """The checkpoint in a directory, its manifest checked and nothing else read.

    Raises:
        CheckpointError: The manifest is missing, damaged, or speaks of another place.
    """
    try:
        content = (path / MANIFEST_FILE).read_bytes()
        manifest = CheckpointManifest.model_validate_json(content)
    except OSError as error:
        raise invalid(path, f"no {MANIFEST_FILE}: {error.strerror}") from error
    except ValidationError as error:
        raise invalid(path, f"{MANIFEST_FILE}: {error.errors()[0]['msg']}") from error
    if manifest != manifest.sealed():
        raise invalid(path, f"{MANIFEST_FILE} was changed after it was written")
    if path.name != step_name(manifest.step):
        raise invalid(path, f"it is a copy of step {manifest.step} under another name")
    if STATE_FILE not in manifest.files:
        raise invalid(path, f"{MANIFEST_FILE} names no {STATE_FILE}")
    foreign = [name for name in manifest.files if Path(name).name != name]
    if foreign:
        raise invalid(path, f"{MANIFEST_FILE} names a file outside: {foreign[0]}")
    return Entry(path, manifest, hashlib.sha256(content).hexdigest())


def verify_files(entry: Entry, names: Collection[str]) -> None:
    """Return when these files of `entry` are as written, byte for byte.

    Raises:
        CheckpointError: One is missing, has another length or another checksum.
    """
    order = sorted(names, key=lambda name: (-entry.manifest.files[name].bytes, name))
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(lambda name: _verify_file(entry, name), order):
            pass


def _verify_file(entry: Entry, name: str) -> None:
    expected = entry.manifest.files[name]
    try:
        length = (entry.path / name).lstat().st_size
        if length != expected.bytes:
            raise invalid(entry.path, f"{name} has {length:,} bytes, not {expected.bytes:,}")
        found, _ = file_sha256(entry.path / name)
    except OSError as error:
        raise invalid(entry.path, f"{name}: {error.strerror}") from error
    if found != expected.sha256:
        raise invalid(
            entry.path, f"{name} has sha256 {found[:12]}, written was {expected.sha256[:12]}"
        )


def invalid(path: Path, why: str) -> CheckpointError:
    """The error that says why a checkpoint is not believed."""
    return CheckpointError(
        f"checkpoint {path.name} is not valid: {why}",
        fix="nothing: the newest valid one is used; python -m training verify lists them all",
        code="checkpoint_invalid",
    )
