"""Training in a process of its own on this machine, behind the `Compute` port."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from training.compute import proof
from training.compute.billing import Report
from training.compute.interpreter import interpreter_for
from training.compute.port import (
    Auth,
    HourlyRate,
    Launch,
    NamedImage,
    Shipped,
    TrainingStatus,
    status_of,
)
from training.compute.recipe import Hardware, Recipe
from training.compute.spending import Period
from training.compute.starting import words_of_runner
from training.declare.source import stage_source
from training.errors import CheckpointError, ConfigError
from training.runner.order import Order
from training.store.directory import TrainingDirectory
from training.store.durable import disk_errors
from training.store.lock import acquire, is_held, write_owner

__all__ = ["LocalCompute"]


class LocalCompute:
    """Training in a process of its own on this machine.

    The process holds a lock on the training's directory for exactly as long as it lives. The lock
    is taken here, before the process exists, and handed over to it: so there is no moment in which
    a second launcher could start another one, and nothing to clean up after a kill.

    Args:
        root: The directory of the volume.
        track: The tracker that shows what is started here as well; None: none does.
    """

    def __init__(self, root: Path, track: str | None = None) -> None:
        self._root, self._track = root.absolute(), track

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

    def hourly_rates(self, hardware: Sequence[Hardware]) -> list[HourlyRate | None]:
        """This machine costs nothing."""
        return [None for _ in hardware]

    def start(
        self,
        order: Order,
        source: Shipped,
        hardware: Hardware,
        deadline_seconds: float | None,
    ) -> Launch:
        """Start the runner of a declared training, or attach to the one that runs.

        Raises:
            ConfigError: It wants several machines.
            DiskFull: There is no room for the training's directory.
            ImageError: No interpreter here holds what the training requires.
        """
        if hardware.nodes > 1:
            raise ConfigError(
                f"training {order.name} has nodes={hardware.nodes}, and this is one machine",
                fix="rehearse it: compute=loopback; or compute=modal",
                code="one_machine",
            )
        directory = self._directory(order.key)
        with _taken(directory) as lock:
            if lock is None:
                return Launch(owner=_owner(directory), attached=True)
            if _is_over(directory):
                return Launch(owner="it came to its end meanwhile", attached=True)
            interpreter = interpreter_for(order.parts.requirements)
            with disk_errors(directory.path):
                stage_source(source, directory.volume, order.key)
                options = ["--lock-fd", str(lock)]
                if deadline_seconds is not None:
                    options += ["--deadline", str(deadline_seconds)]
                if self._track is not None:
                    options += ["--track", self._track]
                words = words_of_runner(self._root, order.key, interpreter, *options)
            directory.write_order(order)
            return self._begun(directory, lock, words, dict(os.environ))

    @property
    def maker(self) -> None:
        """None: a command that makes data runs here."""
        return None

    def proof_of(self, recipe: Recipe, smoke: Order | None) -> str | None:
        """The proof on the volume, where the interpreter that it names is still there."""
        return proof.proof_of(self._root, recipe, smoke)

    def prove(
        self,
        recipe: Recipe,
        smoke: Order | None,
        source: Shipped,
        log: Callable[[str], None],
        cancelled: threading.Event,
    ) -> str:
        """Find an interpreter that holds the requirements, and carry the smoke training under it.

        Raises:
            ImageError: None does, or the smoke training failed; with its words.
            Interrupted: ``cancelled`` was set.
        """
        return proof.prove(self._root, recipe, smoke, source, log, cancelled)

    def _directory(self, key: str) -> TrainingDirectory:
        return TrainingDirectory.local(self._root, key)

    def _begun(
        self,
        directory: TrainingDirectory,
        lock: int,
        words: list[str],
        environment: dict[str, str],
    ) -> Launch:
        """A process of its own that was given the lock."""
        with disk_errors(directory.log_path), directory.log_path.open("ab") as log:
            process = subprocess.Popen(
                words,
                cwd=self._root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # of its own session, so that closing the terminal does not reach it
                start_new_session=True,
                pass_fds=(lock,),
            )
        write_owner(directory, process.pid)
        # a child that ended is a zombie until somebody waits for it
        threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
        return Launch(owner=f"pid {process.pid}", attached=False)

    def bill(self, _period: Period) -> Report:
        """There is none."""
        return Report(None, "this machine sends no bill")

    def images(self) -> list[NamedImage]:
        """None: what a training needs is installed here."""
        return []

    def remove_image(self, name: str) -> str:
        """There is none."""
        return f"no image is called {name}"

    def set_aside(self) -> dict[str, float]:
        """Nothing: this machine costs nothing."""
        return {}

    def owner(self, key: str) -> str | None:
        """The process that holds a training's lock; None: none does."""
        directory = self._directory(key)
        return _owner(directory) if is_held(directory.lock_path) else None

    def status(self, key: str) -> TrainingStatus:
        """How far a training is; running means that its lock is held."""
        return status_of(self._directory(key), owner=self.owner(key))

    def stop(self, key: str) -> bool:
        """Send SIGTERM: the process finishes its step, saves and ends."""
        directory = self._directory(key)
        # the lock proves that the process of this pid is alive and is the training
        if not is_held(directory.lock_path):
            return False
        try:
            owner = json.loads(directory.owner_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return False  # it is being started this moment
        os.kill(int(owner["pid"]), signal.SIGTERM)
        return True


@contextmanager
def _taken(directory: TrainingDirectory) -> Iterator[int | None]:
    """The lock of a training, taken for whoever is started inside the block; None: it runs.

    Raises:
        DiskFull: There is no room for the training's directory.
    """
    with disk_errors(directory.path):
        directory.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not acquire(lock):
            yield None
            return
        # whoever is named there is gone, and its number may be somebody else's by now
        directory.owner_path.unlink(missing_ok=True)
        yield lock
    finally:
        os.close(lock)


def _is_over(directory: TrainingDirectory) -> bool:
    """Whether it came to its end while whoever launches it made a plan."""
    if not directory.volume.exists(directory.result_name):
        return False
    try:
        ending = directory.read_ending()
    except CheckpointError:
        return False  # it is written anew at the end
    return ending is not None and ending.status == "completed"


def _owner(directory: TrainingDirectory) -> str:
    try:
        owner = json.loads(directory.owner_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "a process that is just starting"
    return f"pid {owner['pid']}"
