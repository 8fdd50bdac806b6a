"""What is durable of one training, proven by reading it again: ``commit.json``."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from training.errors import CheckpointError
from training.runner.ending import Reference
from training.store.directory import TrainingDirectory
from training.store.volume import Volume

__all__ = [
    "Commit",
    "CommittedFile",
    "commit_ending",
    "promised_of",
    "read_commit",
    "verify_commit",
]


class CommittedFile(BaseModel):
    """A file that was read again after it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    sha256: str
    bytes: int


class Commit(BaseModel):
    """What is durable of one training: every file with the hash it had when read again."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    key: str
    checkpoint: str
    files: dict[str, CommittedFile]
    created: str

    def holds(self, name: str, content: bytes) -> bool:
        """Whether it is of a file with this very content."""
        record = self.files.get(name)
        return record is not None and record.sha256 == hashlib.sha256(content).hexdigest()


def commit_ending(directory: TrainingDirectory) -> Commit:
    """Publish a training that reached its end, then read all of it again.

    One without a checkpoint, such as an evaluation, has its results alone to be read.

    Returns:
        The commit, which is also on the volume.

    Raises:
        CheckpointError: It did not end, or a file differs from what its manifest promised.
    """
    volume = directory.volume
    volume.commit()
    volume.reload()
    stored = directory.read(directory.result_name)
    ending = directory.read_ending(stored)
    if stored is None or ending is None or ending.status != "completed":
        raise _nothing(directory)
    promised = {directory.result_name: hashlib.sha256(stored).hexdigest()}
    if ending.checkpoint is not None:
        promised |= promised_of(directory, ending.checkpoint)
    if ending.samples is not None:
        promised[ending.samples.path] = ending.samples.sha256
    # what others read as their data was sealed by nobody: it is what it is now, from here on
    promised |= {name: volume.sha256(name) for name in _below(volume, directory.output_name)}
    return _committed(directory, ending.checkpoint, promised)


def _below(volume: Volume, path: str) -> Iterator[str]:
    """Every file of a directory, by name."""
    for name in volume.listdir(path):
        inside = f"{path}/{name}"
        if volume.size(inside) is None:
            yield from _below(volume, inside)
        else:
            yield inside


def _committed(
    directory: TrainingDirectory,
    checkpoint: Reference | None,
    promised: dict[str, str],
) -> Commit:
    """Every promised file, read again, as a commit that is on the volume."""
    volume = directory.volume
    files = {name: _compare(volume, name, digest) for name, digest in sorted(promised.items())}
    commit = Commit(
        key=directory.key,
        checkpoint="" if checkpoint is None else checkpoint.path,
        files=files,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    text = commit.model_dump_json(indent=2) + "\n"
    volume.write_bytes(directory.commit_name, text.encode())
    volume.commit()
    return commit


def read_commit(directory: TrainingDirectory) -> Commit | None:
    """The commit of a training, or None."""
    stored = directory.read(directory.commit_name)
    try:
        return None if stored is None else Commit.model_validate_json(stored)
    except ValidationError:
        return None


def verify_commit(directory: TrainingDirectory) -> Commit:
    """The commit of a training, after reading every byte it names again.

    Raises:
        CheckpointError: There is no commit, or a file is missing or differs.
    """
    commit = read_commit(directory)
    if commit is None:
        raise CheckpointError(
            f"training {directory.key} is not committed on {directory.volume.name}"
        )
    for name, record in sorted(commit.files.items()):
        _compare(directory.volume, name, record.sha256)
    return commit


def _nothing(directory: TrainingDirectory) -> CheckpointError:
    return CheckpointError(
        f"training {directory.key} has no checkpoint on {directory.volume.name}",
        fix="run the goal again: it trains what is missing",
        code="nothing_to_commit",
    )


def promised_of(directory: TrainingDirectory, checkpoint: Reference) -> dict[str, str]:
    """Each file of a checkpoint with the hash that its manifest says, the manifest's own too.

    Raises:
        CheckpointError: The manifest is another one than the training named.
    """
    volume, path = directory.volume, directory.manifest_of(checkpoint.path)
    try:
        content = volume.read_bytes(path)
    except FileNotFoundError:
        raise _gone(volume, path) from None
    _same(volume, path, hashlib.sha256(content).hexdigest(), checkpoint.sha256)
    files = json.loads(content)["files"]  # of whatever format: it is the one that was named
    named = {f"{checkpoint.path}/{name}": str(each["sha256"]) for name, each in files.items()}
    return {**named, path: checkpoint.sha256}


def _compare(volume: Volume, path: str, promised: str) -> CommittedFile:
    try:
        sha256, size = volume.sha256(path), volume.size(path) or 0
    except FileNotFoundError:
        raise _gone(volume, path) from None
    _same(volume, path, sha256, promised)
    return CommittedFile(sha256=sha256, bytes=size)


def _same(volume: Volume, path: str, sha256: str, promised: str) -> None:
    if sha256 != promised:
        raise CheckpointError(
            f"{path} on {volume.name} has sha256 {sha256[:12]}, its manifest says {promised[:12]}",
            fix="the damaged checkpoint is passed over; run the goal again",
            code="checksum_differs",
        )


def _gone(volume: Volume, path: str) -> CheckpointError:
    return CheckpointError(f"{path} is gone from {volume.name}", code="file_missing")
