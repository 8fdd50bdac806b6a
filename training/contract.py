"""What a training script may import: where to write, when to stop, writing that survives a kill.

``docs/contract.md`` is the contract, for any language: files and environment variables. This module
keeps it for Python: standard library only, one file, which may also be copied beside a script.
Importing it touches nothing::

    from training.contract import run

    state = load(run.resume())                       # a directory, or None
    for step in run.steps(run.step, 300):            # ends at 300, at a signal, at the deadline
        loss = train(state)
        run.log(step, loss=loss)
        if run.save_due(step, every=50):
            with run.checkpoint(step) as directory:  # whole or absent
                save(state, directory)
    run.finish(val_loss=evaluate(state))             # does nothing when the loop ended early

A step counts when it is done: the checkpoint of step 50 holds 50 steps and continues with 51. A
script that was stopped ends with exit code 0 or 143; without ``result.json`` it is interrupted.

By hand, without any ``GOAP_…`` variable, the same script works in ``./run``: it continues from the
newest checkpoint there, reads ``./data``, has no settings and no deadline. Remove ``./run`` to
begin anew.

Of several processes (``RANK``, ``WORLD_SIZE``, as torchrun sets them) each calls the same methods
at the same steps. Rank 0 alone writes, and all of them begin and end the same steps.
"""

from __future__ import annotations

import fcntl
import json
import math
import operator
import os
import re
import shutil
import signal
import struct
import time
import zlib
from contextlib import contextmanager, suppress
from errno import ENOSPC
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["ContractError", "Run", "run"]

_CLASSES = ("transient", "permanent", "resource", "numeric", "interrupted", "unknown")
_STEP = re.compile(r"step-(\d+)")
_OUTSIDE = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - names there are not guessed
"""Where files lie that are no part of a run."""


class ContractError(Exception):
    """The environment or the script does not keep the contract; the message says what to change."""


class Run:
    """One attempt at a training.

    Attributes:
        stopped: From the beginning of the loop's last step on, why it is the last: "total",
            "SIGTERM", "SIGINT" or "deadline". Until then None.
    """

    def __init__(self) -> None:
        self.stopped: str | None = None
        self._signal = ""
        self._handlers: dict[int, Any] | None = None  # those before the loop
        self._step: int | None = None
        self._saved: int | None = None
        self._told: tuple[str | None, int] = (None, 0)
        self._begun = False

    @cached_property
    def directory(self) -> Path:
        """Where to write: GOAP_RUN_DIR, by hand ``./run``. Made when it is asked for."""
        path = Path(os.environ.get("GOAP_RUN_DIR") or "run").absolute()
        path.mkdir(parents=True, exist_ok=True)
        return path

    @cached_property
    def data(self) -> Path:
        """Where to read from: GOAP_DATA_DIR, by hand ``./data``; ContractError when it is empty."""
        name = os.environ.get("GOAP_DATA_DIR", "data")
        if not name:
            raise ContractError("GOAP_DATA_DIR is empty: this training was declared without data")
        return Path(name).absolute()

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The object in the JSON file GOAP_SETTINGS; by hand empty. ContractError if unreadable."""
        name = os.environ.get("GOAP_SETTINGS")
        try:
            return dict(json.loads(Path(name).read_bytes())) if name else {}
        except (OSError, ValueError, TypeError) as error:
            raise ContractError(f"GOAP_SETTINGS={name} holds no JSON object: {error}") from error

    @property
    def key(self) -> str:
        """The training key: GOAP_KEY, by hand empty."""
        return os.environ.get("GOAP_KEY", "")

    @cached_property
    def deadline(self) -> float | None:
        """GOAP_DEADLINE, seconds since 1970; None without one. ContractError if it is no number."""
        text = os.environ.get("GOAP_DEADLINE")
        try:
            return float(text) if text else None
        except ValueError as error:
            raise ContractError(f"GOAP_DEADLINE={text} is no number of seconds") from error

    @cached_property
    def rank(self) -> int:
        """Which of several processes this is, from 0: RANK, else LOCAL_RANK, else 0."""
        return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)

    @cached_property
    def _world(self) -> int:
        return int(os.environ.get("WORLD_SIZE") or self.rank + 1)

    @property
    def step(self) -> int:
        """The step that is being made or was made last; at first that of `resume`, or 0."""
        if self._step is None:
            checkpoint = self.resume()
            return _step_of(checkpoint) if checkpoint else 0
        return self._step

    def resume(self) -> Path | None:
        """The checkpoint to continue from, a directory; None to begin.

        It is GOAP_RESUME, where empty means none; by hand the newest one in ``./run``.

        Raises:
            ContractError: GOAP_RESUME is no directory: nothing is begun anew by mistake.
        """
        return self._resumed

    @cached_property
    def _resumed(self) -> Path | None:
        checkpoints = self.directory / "checkpoints"
        _clear(checkpoints, self.rank)
        name = os.environ.get("GOAP_RESUME")
        if name and not Path(name).is_dir():
            raise ContractError(f"GOAP_RESUME={name} is no directory; empty means to begin anew")
        if name is not None:
            return Path(name).absolute() if name else None
        whole = (path for path in checkpoints.glob("step-*") if _STEP.fullmatch(path.name))
        return max(filter(Path.is_dir, whole), key=_step_of, default=None)

    def steps(self, start: int, total: int) -> Iterator[int]:
        """Yield start + 1, …, total; fewer at SIGTERM, at SIGINT or when the deadline has passed.

        A step in which that happens is finished, `save_due` says to save it, and `stopped` says
        why. When it happens between two steps one more is made, unless all is saved. A second
        SIGINT is a KeyboardInterrupt. Signals are taken while the loop runs, in the main thread.

        What an earlier attempt left is cleared first: rows of ``metrics.jsonl`` after `start`,
        ``failure.json``, and ``result.json`` when there are steps to make.

        Args:
            start: Steps that are done.
            total: Steps to have done at the end.

        Raises:
            ContractError: Rank 0 is not there, or the processes run on several machines.
        """
        start, total = operator.index(start), operator.index(total)
        self._begin(start)
        if self.rank == 0:
            for name in ("failure.json", *(("result.json",) if start < total else ())):
                (self.directory / name).unlink(missing_ok=True)
        self._step, self._told = start, (None, 0)
        if start >= total or self.stopped == "total":
            self.stopped = None if start < total else "total"
        with self._listening():
            while not self.stopped:
                done = self._step
                stop = self._pace.begin(self._asked()) if self._pace else self._asked()
                # The other ranks cannot know what rank 0 saved, so among several it does not count.
                if stop and (done == start or (done == self._saved and not self._pace)):
                    self.stopped = stop
                    break
                self._step = done + 1
                self.stopped = "total" if self._step >= total else stop or None
                yield self._step

    @cached_property
    def _pace(self) -> _Pace | None:
        return _Pace(self.rank, self._world, self.directory) if self._world > 1 else None

    def _asked(self) -> str:
        """What asks for a stop; empty when nothing does."""
        late = self.deadline is not None and time.time() >= self.deadline
        return self._signal or ("deadline" if late else "")

    @contextmanager
    def _listening(self) -> Iterator[None]:
        if self._handlers is None:
            # A process that loads data, say, ends at the first SIGTERM, and not after its work.
            os.register_at_fork(after_in_child=self._deafen)
        self._handlers = {}
        try:
            with suppress(ValueError):  # not the main thread
                for number in (signal.SIGTERM, signal.SIGINT):
                    if signal.getsignal(number) != signal.SIG_IGN:
                        self._handlers[number] = signal.signal(number, self._take)
            yield
        finally:
            self._deafen()

    def _deafen(self) -> None:
        while self._handlers:
            number, handler = self._handlers.popitem()
            signal.signal(number, handler or signal.SIG_DFL)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._signal:
            raise KeyboardInterrupt
        self._signal = self._signal or signal.Signals(number).name

    def save_due(self, step: int, *, every: int = 0) -> bool:
        """Whether to save: every so many steps, at the last one, when a stop was asked for.

        Each reason is told once. `every=0` leaves out the first.
        """
        step, every = _counted(step), _counted(every)
        if self._world == 1:  # several hear of it when their next step begins, all at the same one
            self.stopped = self.stopped or self._asked() or None
        told = self._told
        self._told = (self.stopped, step if every and step % every == 0 else told[1])
        return self._told != told

    def log(self, step: int, **numbers: Any) -> None:
        """Append a line to ``metrics.jsonl``: step, time (seconds since 1970) and these numbers.

        A number is what `float` takes, or a scalar of numpy or torch. JSON has no NaN and no
        infinity: they become the strings "NaN", "Infinity" and "-Infinity". Lines of an earlier
        attempt after the step that this one continues from are cut before the first.

        Raises:
            TypeError: A value is no number; nothing is written.
            OSError: There is no room; nothing of the line stays.
        """
        if "time" in numbers:
            raise TypeError("run.log writes the time itself: give this number another name")
        row = {"step": _counted(step), "time": round(time.time(), 3), **_plain(numbers)}
        if self.rank == 0:
            self._begin(self.step)
            _append(self.directory / "metrics.jsonl", json.dumps(row).encode() + b"\n")

    def _begin(self, start: int) -> None:
        """Clear what an earlier attempt left beyond the step that this one continues from, once."""
        resumed = self.resume()
        if not self._begun and self.rank == 0:
            self._begun = True
            for path in self.directory.glob(".tmp-*.json*"):
                path.unlink(missing_ok=True)
            _cut(self.directory / "metrics.jsonl", start if start or resumed else -1)

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[Path]:
        """A new directory to write into, which is ``checkpoints/step-00000050`` after the block.

        It gets that name in one step, when all that is in it is on the disk, and replaces one that
        has it. After an exception, or a kill at any instant, it does not exist, and those before
        are as they were. Other ranks get a directory that is thrown away: rank 0 writes for all.

        Raises:
            ContractError: Nothing was written into it.
            OSError: There is no room.
        """
        step = _counted(step)
        name = f"step-{step:08d}"
        root = self.directory / "checkpoints" if self.rank == 0 else _OUTSIDE
        if self.rank == 0:
            root.mkdir(exist_ok=True)
            _sync(self.directory)
            _clear(root, self.rank)
        temporary = root / f".tmp-{name}-{os.getpid()}-{os.urandom(4).hex()}"
        temporary.mkdir()
        try:
            with _lock(temporary):
                yield temporary
                if self.rank == 0:
                    _sync_tree(temporary)
                    with suppress(FileNotFoundError):  # no row is missing before a checkpoint
                        _sync(self.directory / "metrics.jsonl")
                    _publish(temporary, root / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._saved = step

    def finish(self, **numbers: Any) -> bool:
        """Write ``result.json``, whole: the step and these numbers, as `log` writes them.

        It says that the training is finished. So it is not written, and the answer is False, when
        a signal or the deadline ended the loop.

        Raises:
            TypeError: A value is no number.
        """
        result = _plain(numbers)
        finished = self.stopped in (None, "total")
        if finished and self.rank == 0:
            _write(self.directory / "result.json", {"step": self.step, **result})
        return finished

    def fail(self, name: str, failure_class: str, message: str) -> None:
        """Write ``failure.json``, whole, in whatever rank knows; then end with an exit code not 0.

        Args:
            name: The same each time, such as "out_of_memory".
            failure_class: transient, permanent, resource, numeric, interrupted or unknown;
                another is a ValueError.
            message: What happened and where, for a person.
        """
        if failure_class not in _CLASSES:
            raise ValueError(f"failure class {failure_class!r} is none of {', '.join(_CLASSES)}")
        content = {"name": name, "class": failure_class, "message": message}
        _write(self.directory / "failure.json", content)


class _Pace:
    """Several processes of one machine begin a step after rank 0 did, and end at the same one.

    Else some would notice a stop one step later, and wait for ever for those that did not. Rank 0
    says in a file how many steps it began, with which of them it stops, and why.
    """

    _SAID = struct.Struct("<3q")
    _REASONS = ("", "SIGTERM", "SIGINT", "deadline")
    _PATIENCE = 600.0  # seconds until rank 0 begins its first step

    def __init__(self, rank: int, world: int, directory: Path) -> None:
        if int(os.environ.get("LOCAL_WORLD_SIZE") or world) < world:
            raise ContractError(f"{world} processes on several machines cannot stop together")
        launcher = str(os.getppid())
        with suppress(OSError):  # when it started tells it from an earlier one with its number
            stat = Path("/proc", launcher, "stat").read_text("utf-8")
            launcher += f"-{stat.rpartition(')')[2].split()[19]}"
        launch = f"{launcher}-{os.environ.get('TORCHELASTIC_RESTART_COUNT')}-{directory}"
        self._path = _OUTSIDE / f"goap-{os.getuid()}-{zlib.crc32(launch.encode()):08x}.pace"
        self._first, self._begun, self._stop = rank == 0, 0, (0, 0)
        self._file = self._lead() if self._first else self._follow()

    def _lead(self) -> int:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)  # as long as rank 0 lives
        return file

    def _follow(self) -> int:
        latest = time.monotonic() + self._PATIENCE
        while time.monotonic() < latest:
            with suppress(FileNotFoundError):
                return os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)
            time.sleep(0.01)
        raise ContractError("rank 0 began no step: start all processes with one launcher")

    def begin(self, asked: str) -> str:
        """Begin a step; the answer is why it is the last one, or empty."""
        self._begun += 1
        if self._first:
            if asked and not self._stop[0]:
                self._stop = (self._begun, self._REASONS.index(asked))
            os.pwrite(self._file, self._SAID.pack(self._begun, *self._stop), 0)
        else:
            self._stop = self._heard()
        return self._REASONS[self._stop[1]] if 0 < self._stop[0] <= self._begun else ""

    def _heard(self) -> tuple[int, int]:
        while True:
            gone = self._is_gone()  # asked for first: what rank 0 said last is read after it
            said = os.pread(self._file, self._SAID.size, 0)
            begun, at, reason = self._SAID.unpack(said) if said else (0, 0, 0)
            if begun >= self._begun or at:
                return at, reason
            if said and gone:
                raise ContractError(f"rank 0 ended after {begun} steps, before this process")
            time.sleep(0.0005)

    def _is_gone(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return True


def _counted(step: int) -> int:
    number = operator.index(step)
    if number < 0:
        raise ValueError(f"{number} is no number of steps")
    return number


def _step_of(checkpoint: Path) -> int:
    name = _STEP.fullmatch(checkpoint.name)
    if not name:
        raise ContractError(f"{checkpoint} does not say its step: give a number to run.steps")
    return int(name[1])


def _plain(numbers: dict[str, Any]) -> dict[str, int | float | str]:
    return {name: _number(name, value) for name, value in numbers.items()}


def _number(name: str, value: Any) -> int | float | str:
    try:
        scalar = value.item() if hasattr(value, "item") else value
        if isinstance(scalar, int):
            return int(scalar)
        if math.isfinite(scalar):
            return float(scalar)
        return "NaN" if math.isnan(scalar) else "Infinity" if scalar > 0 else "-Infinity"
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"{name} is of type {type(value).__name__}, not one number") from error


def _append(path: Path, line: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        size, written = file.tell(), 0
        try:
            written = file.write(line)
        finally:
            if written < len(line):
                file.truncate(size)
    if written < len(line):
        raise OSError(ENOSPC, os.strerror(ENOSPC), str(path))


def _cut(path: Path, step: int) -> None:
    """Durably drop rows after a step, and what a kill tore; lines of others stay."""
    with suppress(FileNotFoundError):
        with path.open("rb") as file:
            kept = b"".join(line for line in file if _stays(line, step))
        if len(kept) < path.stat().st_size:
            _replace(path, kept)


def _stays(line: bytes, step: int) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        row = json.loads(line)
    except ValueError:
        return True
    at = row.get("step") if isinstance(row, dict) else None
    return not isinstance(at, (int, float)) or at <= step


def _write(path: Path, content: dict[str, Any]) -> None:
    _replace(path, json.dumps(content).encode() + b"\n")


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(f".tmp-{path.name}-{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _sync(path.parent)


def _clear(checkpoints: Path, rank: int) -> None:
    """Remove what a writer that was killed left; put back what it was about to replace."""
    for path in checkpoints.glob(".*-step-*"):
        with suppress(OSError), _lock(path):  # a living writer's is not touched
            final = checkpoints / path.name[len(".old-") :]
            if path.name.startswith(".old-") and not final.exists():
                path.rename(final)
            elif rank == 0 and path.name.startswith((".old-", ".tmp-")):
                shutil.rmtree(path)


def _publish(temporary: Path, final: Path) -> None:
    aside = final.with_name(f".old-{final.name}")
    if final.exists():
        with _lock(final):
            final.rename(aside)
            temporary.rename(final)
            _sync(final.parent)
            shutil.rmtree(aside)
    else:
        temporary.rename(final)
        _sync(final.parent)


def _sync_tree(directory: Path) -> None:
    names = list(os.walk(directory))
    if not any(files for _, _, files in names):
        raise ContractError(f"nothing was written into {directory}: a checkpoint is what is in it")
    for folder, _, files in names:
        for path in (*(Path(folder, name) for name in files), Path(folder)):
            if path.is_file() or path.is_dir():
                _sync(path)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Hold a directory; BlockingIOError when another process does. It ends with the process."""
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)


run = Run()
"""The attempt that this process is."""
