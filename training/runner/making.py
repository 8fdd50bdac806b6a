"""Making data by a command, here or in a container: run it, seal what it wrote, give it its place.

The standard library alone. Whole or not at all: the command writes into a directory of another
name; what it wrote is synced, hashed as it is on the disk, renamed; the manifest is written last.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from training.errors import DataError, Interrupted
from training.key import content_digest
from training.runner.command import filled
from training.store.durable import replace_directory, sha256_of
from training.store.layout import dataset_files, dataset_name, source_name
from training.store.names import DATA_MANIFEST_FILE
from training.store.volume import Volume

__all__ = [
    "FORMAT",
    "INPUTS",
    "OUT",
    "Command",
    "Files",
    "Task",
    "keep_files",
    "manifest_name",
    "remember",
    "run_command",
    "sealed",
    "stopped",
]

FORMAT: Final = 2
"""Of the manifest of data, and of the record of what a command made."""

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
class Command:
    """A command that makes data.

    Attributes:
        identity: 64 hex digits of what it is made of.
        words: Its words, with ``{out}``; one text where `shell` is true.
        shell: Whether a shell reads it.
    """

    identity: str
    words: tuple[str, ...]
    shell: bool = False

    @property
    def label(self) -> str:
        """What people call it."""
        return " ".join(self.words)

    def to_json(self) -> str:
        """The text of a file that holds it."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "Command":
        """The command in a file."""
        stored = json.loads(text)
        return cls(stored["identity"], tuple(stored["words"]), stored["shell"])


@dataclass(frozen=True)
class Task:
    """Who is told of what a command says, and who may end it.

    Attributes:
        log: Told every line.
        cancelled: Ends it early when set.
        python: The interpreter of a command whose first word is ``python``.
        environment: What it inherits.
    """

    log: Callable[[str], None]
    cancelled: threading.Event
    python: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Files:
    """Files below a directory, with what they were when they were written there.

    Attributes:
        digest: 64 hex digits of all of them.
        entries: Name, bytes and sha256 of each.
    """

    digest: str
    entries: tuple[tuple[str, int, str], ...]

    @property
    def bytes(self) -> int:
        """All of them together."""
        return sum(size for _, size, _ in self.entries)


def manifest_name(digest: str) -> str:
    """What says that data is whole, and holds the sha256 of each file."""
    return f"{dataset_name(digest)}/{DATA_MANIFEST_FILE}"


def run_command(command: Command, inputs: Path, work: Path, made: Path, task: Task) -> Files:
    """Let a command write into a new directory; what it wrote, sealed.

    Args:
        command: The command.
        inputs: The folder that its inputs are relative to.
        work: Where it is started: a copy of its source.
        made: The directory; made here.
        task: Who is told, and who may end it.

    Raises:
        DataError: It failed, or wrote nothing.
        Interrupted: It was ended early.
    """
    made.mkdir(parents=True)
    process = _started(command, inputs, work, made, task)
    tail = _followed(process, task)
    if process.returncode:
        said = "".join(f"\n    {line}" for line in tail)
        raise DataError(
            f"{command.label} failed with exit code {process.returncode}{said}",
            fix="correct it, then run the same command again",
        )
    files = sealed(made)
    if not files.entries:
        raise DataError(
            f"{command.label} wrote nothing",
            fix=f"let it write into the directory of {{out}}, which is also ${OUT}",
        )
    return files


def sealed(made: Path) -> Files:
    """The files as they are on the disk: synced, read back, and not to be written any more.

    Raises:
        DataError: One is a link, or no regular file.
    """
    entries = []
    for path in made.rglob("*"):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise DataError(
                f"{path.name} that was made is a link or no regular file",
                fix="write the file itself into {out}",
            )
        if path.is_dir():
            continue
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(_READ_ONLY)
        entries.append((path.relative_to(made).as_posix(), path.stat().st_size, sha256_of(path)))
    return Files(content_digest(entries), tuple(sorted(entries)))


def keep_files(volume: Volume, made: Path, files: Files, log: Callable[[str], None]) -> None:
    """Give the files their place on the volume; the manifest says that they are whole.

    Args:
        volume: Where to.
        made: Where they are; on the volume, if that is on this machine.
        files: What they are.
        log: Told what is done.
    """
    name, manifest = dataset_files(files.digest), manifest_name(files.digest)
    if volume.exists(manifest):
        return  # the same content came from somewhere else
    if volume.local_root is not None:
        final = volume.local_root / name
        final.parent.mkdir(parents=True, exist_ok=True)
        replace_directory(made, final)
    else:
        log(f"uploading {len(files.entries):,} files, {files.bytes / 1e6:.1f} MB")
        place = made.parent / name
        place.parent.mkdir(parents=True)
        made.rename(place)
        volume.upload(made.parent, name)
    content = {
        "format": FORMAT,
        "digest": files.digest,
        "bytes": files.bytes,
        "files": {each: {"bytes": size, "sha256": sha256} for each, size, sha256 in files.entries},
    }
    _write(volume, manifest, content)
    volume.commit()
    log(f"data {files.digest[:12]}: {len(files.entries):,} files, {files.bytes / 1e6:.1f} MB")


def remember(volume: Volume, command: Command, files: Files) -> None:
    """Keep what a command made, under its identity."""
    content = {
        "format": FORMAT,
        "identity": command.identity,
        "digest": files.digest,
        "label": command.label,
        "files": len(files.entries),
        "bytes": files.bytes,
    }
    _write(volume, source_name(command.identity), content)


def stopped() -> Interrupted:
    """What is said when somebody ended it early."""
    return Interrupted("preparing the data was stopped", fix="run the goal again")


def _write(volume: Volume, name: str, content: Mapping[str, object]) -> None:
    volume.write_bytes(name, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())


def _started(
    command: Command, inputs: Path, work: Path, made: Path, task: Task
) -> "subprocess.Popen[bytes]":
    words = filled(command.words, {"out": str(made)}, shell=command.shell)
    if not command.shell and words[0] in _PYTHON:
        words[0] = task.python
    path = task.environment.get("PATH", os.defpath)
    programs = os.pathsep.join((str(Path(task.python).parent), path))
    environment = {**task.environment, OUT: str(made), INPUTS: str(inputs), "PATH": programs}
    task.log(f"running {command.label}")
    try:
        return subprocess.Popen(
            ["sh", "-c", words[0]] if command.shell else words,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise DataError(
            f"{command.label} cannot be started: {error.strerror}: {words[0]}",
            fix="correct the command of data=",
        ) from error


def _followed(process: "subprocess.Popen[bytes]", task: Task) -> list[str]:
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
                raise stopped()
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
