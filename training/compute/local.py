"""Compute: where training runs. A port, and the implementation for this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from training.compute import image
from training.learn.config import Execution, TrainingConfig
from training.store.adjustments import write_adjustments
from training.store.durable import disk_errors
from training.store.lock import acquire, is_held, write_owner
from training.store.result import Result, TrainingDirectory

__all__ = ["Auth", "Compute", "HourlyRate", "Launch", "LocalCompute", "State", "TrainingStatus"]

State = Literal["absent", "running", "completed", "interrupted", "failed"]


@dataclass(frozen=True)
class Auth:
    """Whether credentials are accepted, and how that is known."""

    valid: bool
    evidence: str
    needed: bool = True


@dataclass(frozen=True)
class HourlyRate:
    """Dollars per hour of training: the least, the expected and the most, and who says so when."""

    low: float
    expected: float
    high: float
    source: str
    seen: str


@dataclass(frozen=True)
class Launch:
    """A training that runs now.

    Attributes:
        attached: True when it ran already and nothing was started.
        call_id: The platform's name of it, where there is a platform.
    """

    owner: str
    attached: bool
    call_id: str = ""


@dataclass(frozen=True)
class TrainingStatus:
    """How far a training is, as far as can be seen from here.

    Attributes:
        said: The error it ended with, where the platform tells one that the volume does not.
    """

    state: State
    owner: str = ""
    step: int | None = None
    target: int | None = None
    loss: float | None = None
    images_per_second: float | None = None
    steps_per_second: float | None = None
    said: str = ""


class Compute(Protocol):
    """Where training runs."""

    @property
    def name(self) -> str:
        """``local``, ``modal`` or ``loopback``."""

    def auth_seen(self) -> Auth | None:
        """What is known about credentials without asking anybody; None: they were not tried yet.

        Raises:
            AuthenticationError: There are none.
        """

    def check_auth(self, needed_seconds: float = 0.0) -> Auth:
        """Ask whether our credentials are accepted, and will be for so long.

        Raises:
            AuthenticationError: They are missing, refused, expired, or end too early.
            Unreachable: Nobody answers.
        """

    def hourly_rate(self) -> HourlyRate | None:
        """What an hour of training costs; None where it costs nothing, or nobody says it."""

    def image_fingerprint(self) -> str:
        """Digest of what the image is made of."""

    def image_status(self) -> str | None:
        """The proof that the image of this fingerprint works, in words; None without one."""

    def build_image(self, log: Callable[[str], None], cancelled: threading.Event) -> str:
        """Build and prove the image; returns the proof in words.

        Raises:
            ImageError: A module or a requirement is missing.
            Interrupted: ``cancelled`` was set.
        """

    def launch(
        self, key: str, config: TrainingConfig, dataset: str, execution: Execution
    ) -> Launch:
        """Start a training, or attach to it when it runs; never two for one key."""

    def status(self, key: str) -> TrainingStatus:
        """How far a training is."""

    def stop(self, key: str) -> bool:
        """Ask a training to save and end; False when none runs."""


class LocalCompute:
    """Training in a process of its own on this machine.

    The process holds a lock on the training's directory for exactly as long as it lives. The lock
    is taken here, before the process exists, and handed over to it: so there is no moment in which
    a second launcher could start another one, and nothing to clean up after a kill.

    Args:
        root: The directory of the volume.
        python: The interpreter to train with.
    """

    def __init__(self, root: Path, python: str = sys.executable) -> None:
        self._root = root.absolute()
        self._python = python

    @property
    def name(self) -> str:
        """The word on the command line."""
        return "local"

    def auth_seen(self) -> Auth:
        """Nothing is needed here."""
        return self.check_auth()

    def check_auth(self, needed_seconds: float = 0.0) -> Auth:  # noqa: ARG002 - for ever
        """Nothing is needed here."""
        return Auth(valid=True, evidence="not needed: local compute has no account", needed=False)

    def hourly_rate(self) -> None:
        """This machine costs nothing."""

    def image_fingerprint(self) -> str:
        """Digest of requirements, interpreter and source."""
        return image.fingerprint()

    def image_status(self) -> str | None:
        """The proof for the fingerprint of now, in words."""
        proof = image.read_proof(self._root, self.image_fingerprint())
        return None if proof is None else proof.described()

    def build_image(self, log: Callable[[str], None], cancelled: threading.Event) -> str:
        """Import every module in a clean interpreter and take two training steps there."""
        return image.prove(
            self._root, python=self._python, log=log, cancelled=cancelled
        ).described()

    def launch(
        self, key: str, config: TrainingConfig, dataset: str, execution: Execution
    ) -> Launch:
        """Start the training process, or attach to the one that runs.

        Raises:
            DiskFull: There is no room for the training's directory.
        """
        directory = TrainingDirectory(self._root, key)
        with disk_errors(directory.path):
            directory.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(directory.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not acquire(lock):
            os.close(lock)
            return Launch(owner=_owner(directory), attached=True)
        try:
            # whoever is named there is gone, and its number may be somebody else's by now
            directory.owner_path.unlink(missing_ok=True)
            directory.write_config(config, dataset)
            write_adjustments(directory, execution)
            process = self._start(directory, lock)
        finally:
            os.close(lock)
        write_owner(directory, process.pid)
        # a child that ended is a zombie until somebody waits for it
        threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
        return Launch(owner=f"pid {process.pid}", attached=False)

    def _start(self, directory: TrainingDirectory, lock: int) -> "subprocess.Popen[bytes]":
        # -P: the directory it stands in may have a `training/` too, which is not meant
        command = [self._python, "-P", "-m", "training", "train"]
        command += ["--volume", str(self._root), "--key", directory.key, "--lock-fd", str(lock)]
        package = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
        with disk_errors(directory.log_path), directory.log_path.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._root,
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # of its own session, so that closing the terminal does not reach it
                start_new_session=True,
                pass_fds=(lock,),
            )

    def status(self, key: str) -> TrainingStatus:
        """How far a training is; running means that its lock is held."""
        directory = TrainingDirectory(self._root, key)
        running = is_held(directory.lock_path)
        result = None if running else directory.read_result()
        target = _target(directory)
        last = directory.last_metrics() or {}
        state: State = "running" if running else _ended(directory, result, bool(last))
        return TrainingStatus(
            state=state,
            owner=_owner(directory) if running else "",
            step=result.step if result else _step(last),
            target=target,
            loss=_number(last, "loss"),
            images_per_second=_number(last, "images_per_second"),
            steps_per_second=_number(last, "steps_per_second"),
        )

    def stop(self, key: str) -> bool:
        """Send SIGTERM: the process finishes its step, saves and ends."""
        directory = TrainingDirectory(self._root, key)
        # the lock proves that the process of this pid is alive and is the training
        if not is_held(directory.lock_path):
            return False
        try:
            owner = json.loads(directory.owner_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False  # it is being started this moment
        os.kill(int(owner["pid"]), signal.SIGTERM)
        return True


def _owner(directory: TrainingDirectory) -> str:
    try:
        owner = json.loads(directory.owner_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "a process that is just starting"
    return f"pid {owner['pid']}"


def _ended(directory: TrainingDirectory, result: Result | None, began: bool) -> State:
    if result is None:
        return "interrupted" if began or directory.attempts else "absent"
    # a result older than the newest attempt is of another attempt: the newest one was killed
    return "interrupted" if result.attempts < directory.attempts else result.status


def _target(directory: TrainingDirectory) -> int | None:
    config = directory.read_config()
    return None if config is None else config.steps


def _step(row: dict[str, object]) -> int | None:
    step = _number(row, "step")
    return None if step is None else int(step)


def _number(row: dict[str, object], name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
