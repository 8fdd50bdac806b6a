"""Brings the data of a training to its volume: copies a folder, or runs the command that makes it.

Whole or not at all: files are gathered in a directory of another name, hashed there as they were
written, synced and renamed; the manifest is written last. What a kill left is removed by the next.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training.declare.data import (
    FORMAT,
    DataError,
    Placed,
    data_files,
    folder_of,
    identity_of,
    is_placed,
    label_of,
    manifest_name,
    placed_of,
)
from training.declare.hashes import Hashes, content_digest
from training.declare.prepare import Prepare
from training.declare.source import source_of
from training.errors import Interrupted
from training.runner.command import filled, words_of
from training.store.durable import (
    disk_errors,
    remove_abandoned,
    replace_directory,
    sha256_of,
    temporary_directory,
)
from training.store.layout import DATASETS, dataset_files, source_name
from training.store.volume import Volume

if TYPE_CHECKING:
    from training.declare.training import Training

__all__ = ["INPUTS", "OUT", "prepare"]

OUT: Final = "GOAP_DATA_OUT"
"""What a preparing command finds the directory in that it writes into."""

INPUTS: Final = "GOAP_DATA_INPUTS"
"""What it finds the folder in that its inputs are relative to."""

GRACE_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.1
_TAIL: Final = 5

_READ_ONLY: Final = 0o444
_PYTHON: Final = ("python", "python3")


@dataclass(frozen=True)
class _Files:
    """Files below a directory, with what they were when they were written there."""

    digest: str
    entries: tuple[tuple[str, int, str], ...]


def prepare(
    training: "Training",
    volume: Volume,
    hashes: Hashes,
    *,
    log: Callable[[str], None],
    cancelled: threading.Event,
    python: str = sys.executable,
) -> Placed:
    """Bring the data of a training to a volume; nothing when it is there.

    Args:
        training: It declares a folder, or a command that makes the data.
        volume: Where to. What a command makes for a volume that is elsewhere is made here first.
        hashes: Remembers digests.
        log: Told what is done, and every line that the command says.
        cancelled: Ends it early when set.
        python: The interpreter of a command whose first word is ``python``.

    Raises:
        DataError: The folder is gone or was changed meanwhile, or the command failed.
        DiskFull: There is no room.
        Interrupted: ``cancelled`` was set.
    """
    placed = placed_of(training, volume, hashes)
    if placed is not None and is_placed(volume, placed):
        return placed
    task = _Task(log, cancelled, python)
    with _room(volume) as room, temporary_directory(room, "data") as place:
        if isinstance(training.data, Prepare):
            return _made(training, training.data, volume, hashes, place / "files", task)
        if not isinstance(training.data, str | Path) or placed is None:
            raise DataError(f"{training.name} declares no data", fix="say data=")
        folder = folder_of(training.folder, training.data)
        _keep(volume, place / "files", _copied(folder, place / "files", placed, task), log)
        return placed


@dataclass(frozen=True)
class _Task:
    log: Callable[[str], None]
    cancelled: threading.Event
    python: str


@contextmanager
def _room(volume: Volume) -> Iterator[Path]:
    """A directory to gather files in: of the volume itself, where it is on this machine."""
    if volume.local_root is not None:
        room = volume.local_root / DATASETS
        room.mkdir(parents=True, exist_ok=True)
        remove_abandoned(room)
        yield room
        return
    with tempfile.TemporaryDirectory(prefix="data-") as scratch:
        yield Path(scratch)


def _made(
    training: "Training", data: Prepare, volume: Volume, hashes: Hashes, made: Path, task: _Task
) -> Placed:
    """What the command makes, kept under its content, and remembered under its identity."""
    # before it runs: what is changed meanwhile makes another identity, and is made again
    identity = identity_of(training.folder, data, hashes)
    source = source_of(training.folder, data.source, hashes)
    with tempfile.TemporaryDirectory(prefix="prepare-") as work:
        source.stage(Path(work))
        made.mkdir()
        _run(data, training.folder, Path(work), made, task)
    files = _sealed(made)
    if not files.entries:
        raise DataError(
            f"{label_of(data)} wrote nothing",
            fix=f"let it write into the directory of {{out}}, which is also ${OUT}",
        )
    _keep(volume, made, files, task.log)
    content = {
        "format": FORMAT,
        "identity": identity,
        "digest": files.digest,
        "label": label_of(data),
        "files": len(files.entries),
        "bytes": sum(size for _, size, _ in files.entries),
    }
    _write(volume, source_name(identity), content)
    return Placed(files.digest, dataset_files(files.digest), label_of(data))


def _keep(volume: Volume, made: Path, files: _Files, log: Callable[[str], None]) -> None:
    """Give the files their place on the volume; the manifest says that they are whole."""
    name, manifest = dataset_files(files.digest), manifest_name(files.digest)
    if volume.exists(manifest):
        return  # the same content came from somewhere else
    size = sum(size for _, size, _ in files.entries)
    if volume.local_root is not None:
        final = volume.local_root / name
        final.parent.mkdir(parents=True, exist_ok=True)
        replace_directory(made, final)
    else:
        log(f"uploading {len(files.entries):,} files, {size / 1e6:.1f} MB")
        place = made.parent / name
        place.parent.mkdir(parents=True)
        made.rename(place)
        volume.upload(made.parent, name)
    content = {
        "format": FORMAT,
        "digest": files.digest,
        "bytes": size,
        "files": {each: {"bytes": size, "sha256": sha256} for each, size, sha256 in files.entries},
    }
    _write(volume, manifest, content)
    volume.commit()
    log(f"data {files.digest[:12]}: {len(files.entries):,} files, {size / 1e6:.1f} MB")


def _write(volume: Volume, name: str, content: Mapping[str, object]) -> None:
    volume.write_bytes(name, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def _copied(folder: Path, made: Path, placed: Placed, task: _Task) -> _Files:
    """A folder's copy, which is what was planned with."""
    task.log(f"copying {folder}")
    made.mkdir()
    for path in data_files(folder):
        if task.cancelled.is_set():
            raise _stopped()
        copy = made / path.relative_to(folder)
        with disk_errors(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, copy)
            except FileNotFoundError as error:
                raise _changed(folder) from error
    files = _sealed(made)
    if files.digest != placed.digest:
        raise _changed(folder)
    return files


def _changed(folder: Path) -> DataError:
    return DataError(
        f"{folder} was changed while it was copied",
        fix="run the same command again: it plans with the files as they are then",
    )


def _sealed(made: Path) -> _Files:
    """The files as they are on the disk: synced, read back, and not to be written any more."""
    entries = []
    for path in data_files(made, hidden=True):
        if path.is_symlink():
            raise DataError(
                f"{path.name} that was made is a link", fix="write the file itself into {out}"
            )
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(_READ_ONLY)
        entries.append((path.relative_to(made).as_posix(), path.stat().st_size, sha256_of(path)))
    return _Files(content_digest(entries), tuple(sorted(entries)))


def _run(data: Prepare, root: Path, work: Path, made: Path, task: _Task) -> None:
    words = filled(words_of(data.command, shell=data.shell), {"out": str(made)}, shell=data.shell)
    if not data.shell and words[0] in _PYTHON:
        words[0] = task.python
    programs = os.pathsep.join((str(Path(task.python).parent), os.environ.get("PATH", os.defpath)))
    environment = {**os.environ, OUT: str(made), INPUTS: str(root), "PATH": programs}
    task.log(f"running {label_of(data)}")
    try:
        process = subprocess.Popen(
            ["sh", "-c", words[0]] if data.shell else words,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise DataError(
            f"{label_of(data)} cannot be started: {error.strerror}: {words[0]}",
            fix="correct the command of data=",
        ) from error
    tail = _followed(process, task)
    if process.returncode:
        said = "".join(f"\n    {line}" for line in tail)
        raise DataError(
            f"{label_of(data)} failed with exit code {process.returncode}{said}",
            fix="correct it, then run the same command again",
        )


def _followed(process: "subprocess.Popen[bytes]", task: _Task) -> list[str]:
    """The last lines that a command says, until it ends; it and its children are ended early."""
    tail: list[str] = []

    def read() -> None:
        for line in process.stdout or ():
            text = line.decode(errors="replace").rstrip()
            tail[:] = [*tail, text][-_TAIL:]
            task.log(text)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            if task.cancelled.wait(POLL_SECONDS):
                raise _stopped()
    finally:
        _end(process)
        reader.join()
        if process.stdout is not None:
            process.stdout.close()
    return tail


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a command and all it started."""
    with suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stopped() -> Interrupted:
    return Interrupted("preparing the data was stopped", fix="run the goal again")
