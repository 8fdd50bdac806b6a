"""Training in a process of its own on this machine, behind the `Compute` port."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from training.compute import image
from training.compute.port import Auth, Launch, TrainingStatus, status_of
from training.learn.config import Execution
from training.store.adjustments import write_adjustments
from training.store.directory import TrainingDirectory
from training.store.durable import disk_errors
from training.store.lock import acquire, is_held, write_owner
from training.store.spec import Spec

__all__ = ["LocalCompute"]


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

    def launch(self, spec: Spec, execution: Execution) -> Launch:
        """Start the training process, or attach to the one that runs.

        Raises:
            DiskFull: There is no room for the training's directory.
        """
        directory = self._directory(spec.key)
        with disk_errors(directory.path):
            directory.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(directory.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not acquire(lock):
            os.close(lock)
            return Launch(owner=_owner(directory), attached=True)
        try:
            # whoever is named there is gone, and its number may be somebody else's by now
            directory.owner_path.unlink(missing_ok=True)
            directory.write_spec(spec)
            write_adjustments(directory, execution)
            process = self._start(directory, lock)
        finally:
            os.close(lock)
        write_owner(directory, process.pid)
        # a child that ended is a zombie until somebody waits for it
        threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
        return Launch(owner=f"pid {process.pid}", attached=False)

    def _directory(self, key: str) -> TrainingDirectory:
        return TrainingDirectory.local(self._root, key)

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
        directory = self._directory(key)
        running = is_held(directory.lock_path)
        return status_of(directory, owner=_owner(directory) if running else None)

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


def _owner(directory: TrainingDirectory) -> str:
    try:
        owner = json.loads(directory.owner_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "a process that is just starting"
    return f"pid {owner['pid']}"
