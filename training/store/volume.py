"""The volume: where training writes, a directory here or a Modal Volume there, behind one port.

Paths are relative to the volume's root, with forward slashes, and never have a mount prefix:
``checkpoints/dit/0123456789abcdef/step-00000500``.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import CheckpointError
from training.store.durable import disk_errors, sha256_of, write_whole
from training.store.manifest import MANIFEST_FILE, CheckpointManifest
from training.store.result import Result

__all__ = [
    "Commit",
    "CommittedFile",
    "LocalVolume",
    "Volume",
    "commit_training",
    "read_commit",
    "verify_commit",
]


class Volume(Protocol):
    """What training writes to and facts are read from.

    Attributes:
        name: How a person calls it.
        local_root: Its directory when it is on this machine, else None.
    """

    @property
    def name(self) -> str:
        """How a person calls it."""

    @property
    def local_root(self) -> Path | None:
        """Its directory when it is on this machine."""

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""

    def read_bytes(self, path: str) -> bytes:
        """The content of a file."""

    def write_bytes(self, path: str, content: bytes) -> None:
        """Replace a file in one step."""

    def listdir(self, path: str) -> list[str]:
        """Names inside a directory, sorted; empty where there is none."""

    def remove(self, path: str) -> None:
        """Delete a file or a directory."""

    def upload(self, source: Path, path: str) -> None:
        """Copy ``source / path`` of this machine to ``path``, when the volume is elsewhere."""

    def commit(self) -> None:
        """Publish what was written."""

    def reload(self) -> None:
        """See what others published."""

    def sha256(self, path: str) -> str:
        """Hex digest of a file, of the bytes as they are read now."""


class LocalVolume:
    """A directory on this machine.

    Args:
        root: The directory; made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    @property
    def name(self) -> str:
        """The directory."""
        return str(self._root)

    @property
    def local_root(self) -> Path:
        """The directory."""
        return self._root

    def exists(self, path: str) -> bool:
        """Whether a file or directory is there."""
        return self._inside(path).exists()

    def read_bytes(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: There is none.
        """
        return self._inside(path).read_bytes()

    def write_bytes(self, path: str, content: bytes) -> None:
        """Replace a file in one step.

        Raises:
            DiskFull: There is no room; the old file is untouched.
        """
        write_whole(self._inside(path), content)

    def listdir(self, path: str) -> list[str]:
        """Names inside a directory, sorted; empty where there is none."""
        directory = self._inside(path)
        return sorted(each.name for each in directory.iterdir()) if directory.is_dir() else []

    def remove(self, path: str) -> None:
        """Delete a file or a directory; a link is deleted, never what it points to."""
        target = self._inside(path)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def upload(self, source: Path, path: str) -> None:
        """Nothing when ``source`` is this directory; else a copy."""
        if source.absolute() == self._root:
            return
        with disk_errors(self._inside(path)):
            shutil.copytree(source / path, self._inside(path), dirs_exist_ok=True)

    def commit(self) -> None:
        """Nothing to do: every write is synced when it is made."""

    def reload(self) -> None:
        """Nothing to do: there is one copy."""

    def sha256(self, path: str) -> str:
        """Hex digest of a file."""
        return sha256_of(self._inside(path))

    def _inside(self, path: str) -> Path:
        parts = Path(path).parts
        if path.startswith("/") or ".." in parts:
            raise ValueError(f"{path!r} leaves the volume {self._root}")
        return self._root.joinpath(*parts)


class CommittedFile(BaseModel):
    """A file that was read again after it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    bytes: int


class Commit(BaseModel):
    """What is durable of one training: every file with the hash it had when read again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    checkpoint: str
    files: dict[str, CommittedFile]
    created: str


def commit_training(volume: Volume, key: str) -> Commit:
    """Publish a finished training, then read every byte again and compare it with its manifest.

    Returns:
        The commit, which is also at ``commits/<key>.json`` on the volume.

    Raises:
        CheckpointError: There is no result, or a file differs from what its manifest promised.
    """
    volume.commit()
    volume.reload()
    result = _result(volume, key)
    if result is None or result.checkpoint is None:
        raise CheckpointError(
            f"training {key} has no checkpoint on {volume.name}",
            fix="run the goal again: it trains what is missing",
            code="nothing_to_commit",
        )
    path = result.checkpoint.path
    manifest_path = f"{path}/{MANIFEST_FILE}"
    _compare(volume, manifest_path, result.checkpoint.sha256)
    manifest = CheckpointManifest.model_validate_json(volume.read_bytes(manifest_path))
    promised = {f"{path}/{name}": record.sha256 for name, record in manifest.files.items()}
    promised[manifest_path] = result.checkpoint.sha256
    if result.samples is not None:
        promised[result.samples.path] = result.samples.sha256
    result_path = f"trainings/{key}/result.json"
    promised[result_path] = volume.sha256(result_path)
    files = {name: _compare(volume, name, digest) for name, digest in sorted(promised.items())}
    commit = Commit(
        key=key,
        checkpoint=path,
        files=files,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    text = commit.model_dump_json(indent=2) + "\n"
    volume.write_bytes(f"commits/{key}.json", text.encode())
    volume.commit()
    return commit


def read_commit(volume: Volume, key: str) -> Commit | None:
    """The commit of a training, or None."""
    path = f"commits/{key}.json"
    if not volume.exists(path):
        return None
    try:
        return Commit.model_validate_json(volume.read_bytes(path))
    except ValidationError:
        return None


def verify_commit(volume: Volume, key: str) -> Commit:
    """The commit of a training, after reading every byte it names again.

    Raises:
        CheckpointError: There is no commit, or a file is missing or differs.
    """
    commit = read_commit(volume, key)
    if commit is None:
        raise CheckpointError(f"training {key} is not committed on {volume.name}")
    for name, record in sorted(commit.files.items()):
        _compare(volume, name, record.sha256)
    return commit


def _result(volume: Volume, key: str) -> Result | None:
    path = f"trainings/{key}/result.json"
    return Result.model_validate_json(volume.read_bytes(path)) if volume.exists(path) else None


def _compare(volume: Volume, path: str, promised: str) -> CommittedFile:
    try:
        found, size = volume.sha256(path), len(volume.read_bytes(path))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is gone from {volume.name}", code="file_missing") from None
    if found != promised:
        raise CheckpointError(
            f"{path} on {volume.name} has sha256 {found[:12]}, its manifest says {promised[:12]}",
            fix="the damaged checkpoint is passed over; run the goal again",
            code="checksum_differs",
        )
    return CommittedFile(sha256=found, bytes=size)
