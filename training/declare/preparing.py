"""Brings the data of a training to its volume: copies a folder, or has the command run.

A command runs on this machine, or in a container where the volume is.
"""

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from training.declare.data import (
    DataError,
    Placed,
    data_files,
    folder_of,
    identity_of,
    is_placed,
    label_of,
    placed_of,
)
from training.declare.hashes import Hashes
from training.declare.prepare import Prepare
from training.declare.source import Source, source_of
from training.runner.command import words_of
from training.runner.making import (
    INPUTS,
    OUT,
    Command,
    Files,
    Task,
    keep_files,
    remember,
    run_command,
    sealed,
    stopped,
)
from training.store.durable import disk_errors, remove_abandoned, temporary_directory
from training.store.layout import DATASETS, dataset_files
from training.store.volume import Volume

if TYPE_CHECKING:
    from training.declare.training import Training

__all__ = ["INPUTS", "OUT", "Maker", "Making", "prepare"]


@dataclass(frozen=True)
class Making:
    """What a command is run with where the volume is.

    Attributes:
        training: Whose image and hardware it has.
        command: The command.
        source: What it is started in a copy of.
        inputs: Name, below the folder of the declaration, to the file that it reads.
        usd_per_hour: What an hour of its hardware costs: the least, the expected, the most; None:
            nobody knows.
    """

    training: "Training"
    command: Command
    source: Source
    inputs: dict[str, Path]
    usd_per_hour: tuple[float, float, float] | None = None


class Maker(Protocol):
    """Runs commands that make data where the volume is."""

    def make_data(
        self, making: Making, log: Callable[[str], None], cancelled: threading.Event
    ) -> None:
        """Run it, or attach to where it runs; what it made is on the volume then, and remembered.

        Raises:
            DataError: It failed.
            Interrupted: `cancelled` was set: it was stopped.
        """


def prepare(
    training: "Training",
    volume: Volume,
    hashes: Hashes,
    *,
    log: Callable[[str], None],
    cancelled: threading.Event,
    python: str = sys.executable,
    maker: Maker | None = None,
    usd_per_hour: tuple[float, float, float] | None = None,
) -> Placed:
    """Bring the data of a training to a volume; nothing when it is there.

    Args:
        training: It declares a folder, or a command that makes the data.
        volume: Where to.
        hashes: Remembers digests.
        log: Told what is done, and every line that the command says.
        cancelled: Ends it early when set.
        python: The interpreter of a command whose first word is ``python``.
        maker: Runs a command where the volume is; None: this machine does, and uploads.
        usd_per_hour: What an hour of the hardware of such a command costs; None: nobody knows.

    Raises:
        DataError: The folder is gone or was changed meanwhile, or the command failed.
        DiskFull: There is no room.
        Interrupted: ``cancelled`` was set.
    """
    placed = placed_of(training, volume, hashes)
    if placed is not None and is_placed(volume, placed):
        return placed
    if isinstance(training.data, Prepare) and maker is not None:
        making = replace(_making(training, training.data, hashes), usd_per_hour=usd_per_hour)
        return _made_there(making, volume, hashes, maker, log, cancelled)
    return _brought(training, volume, hashes, placed, Task(log, cancelled, python, os.environ))


def _brought(
    training: "Training", volume: Volume, hashes: Hashes, placed: Placed | None, task: Task
) -> Placed:
    """What lies here, or a command makes here, as it is on the volume."""
    with _room(volume) as room, temporary_directory(room, "data") as place:
        if isinstance(training.data, Prepare):
            return _made(training, training.data, volume, hashes, place / "files", task)
        if not isinstance(training.data, str | Path) or placed is None:
            raise DataError(f"{training.name} declares no data", fix="say data=")
        folder = folder_of(training.folder, training.data)
        keep_files(
            volume, place / "files", _copied(folder, place / "files", placed, task), task.log
        )
        return placed


def _made_there(
    making: Making,
    volume: Volume,
    hashes: Hashes,
    maker: Maker,
    log: Callable[[str], None],
    cancelled: threading.Event,
) -> Placed:
    """What the command made where the volume is."""
    maker.make_data(making, log, cancelled)
    placed = placed_of(making.training, volume, hashes)
    if placed is None:
        raise DataError(
            f"what {making.command.label} is made of changed while it ran",
            fix="run the same command again: it is made of what is there then",
        )
    return placed


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


def _making(training: "Training", data: Prepare, hashes: Hashes) -> Making:
    """A command with all that it is made of, to be run elsewhere.

    Raises:
        DataError: An input lies where no container finds it.
    """
    inputs = {}
    for name in data.inputs:
        path = folder_of(training.folder, name, file=True)
        if not path.is_relative_to(training.folder):
            raise DataError(
                f"the input {name} of {label_of(data)} is not below {training.folder}, and the "
                "command runs in a container",
                fix="put it below that folder; or compute=local, then the volume of that",
            )
        for each in data_files(path) if path.is_dir() else (path,):
            inputs[each.relative_to(training.folder).as_posix()] = each
    command = _command(training, data, hashes)
    source = source_of(training.folder, data.source, hashes)
    return Making(training, command, source, inputs)


def _command(training: "Training", data: Prepare, hashes: Hashes) -> Command:
    words = words_of(data.command, shell=data.shell)
    return Command(identity_of(training.folder, data, hashes), tuple(words), data.shell)


def _made(
    training: "Training", data: Prepare, volume: Volume, hashes: Hashes, made: Path, task: Task
) -> Placed:
    """What the command makes, kept under its content, and remembered under its identity."""
    # before it runs: what is changed meanwhile makes another identity, and is made again
    command = _command(training, data, hashes)
    source = source_of(training.folder, data.source, hashes)
    with tempfile.TemporaryDirectory(prefix="prepare-") as work:
        source.stage(Path(work))
        files = run_command(command, training.folder, Path(work), made, task)
    keep_files(volume, made, files, task.log)
    remember(volume, command, files)
    return Placed(files.digest, dataset_files(files.digest), label_of(data))


def _copied(folder: Path, made: Path, placed: Placed, task: Task) -> Files:
    """A folder's copy, which is what was planned with."""
    task.log(f"copying {folder}")
    made.mkdir()
    for path in data_files(folder):
        if task.cancelled.is_set():
            raise stopped()
        copy = made / path.relative_to(folder)
        with disk_errors(copy):
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, copy)
            except FileNotFoundError as error:
                raise _changed(folder) from error
    files = sealed(made)
    if files.digest != placed.digest:
        raise _changed(folder)
    return files


def _changed(folder: Path) -> DataError:
    return DataError(
        f"{folder} was changed while it was copied",
        fix="run the same command again: it plans with the files as they are then",
    )
