"""The script of one attempt: started, told to stop, ended with all that is below it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from training.runner import guard

__all__ = ["GRACE_SECONDS", "Script", "end_left", "mark_of"]

GRACE_SECONDS: Final = 20.0
"""From SIGTERM until everything is killed; a platform gives a container 30."""

GROUP_SECONDS: Final = 5.0
"""A script that has not heard of SIGTERM by then, as a shell that waits for a child, is told
together with its children."""


def mark_of(directory: Path, key: str) -> tuple[str, str]:
    """What every process of a training has in its environment, and no other one: name and value.

    It names the very directory, not its path: where another volume is mounted at the same path, a
    training of the same key is another's.
    """
    about = directory.stat()
    return "GOAP_ATTEMPT", f"{key}-{about.st_dev:x}-{about.st_ino:x}"


def end_left(mark: tuple[str, str]) -> int:
    """End what an attempt left whose runner and guard were killed together; how many there were.

    Only whoever holds the lock of the training may: nobody else has processes of this mark then.
    """
    return guard.kill_marked("=".join(mark))


class Script:
    """A running script.

    Args:
        words: The command.
        directory: Where it is started.
        environment: All of its environment.
        log: Where it prints.
        mark: Name and value that all of its processes have in their environment (`mark_of`).
        grace: Seconds from `stop` until it is killed.
        clock: Monotonic seconds.

    Raises:
        OSError: No process can be started.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
        mark: tuple[str, str],
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._grace = clock, grace
        self._stopped: float | None = None
        self._told = 0
        self.killed = False
        self._mark = mark
        told, tell = os.pipe()
        try:
            with log.open("ab") as output:
                self._guard = subprocess.Popen(
                    # isolated: what the environment says of Python is for the script
                    [sys.executable, "-I", "-S", guard.__file__, str(tell), *words],
                    cwd=directory,
                    env={**environment, mark[0]: mark[1]},
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=(tell,),
                )
        finally:
            os.close(tell)
        self._answers = os.fdopen(told, "rb")
        line = self._answers.readline()
        self.pid = int(line) if line.strip() else None

    def wait(self, seconds: float) -> int | None:
        """Wait so long at most; its exit code, a signal's number negative, or None: it runs."""
        self._press()
        try:
            self._guard.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return self._ended()

    def stop(self) -> None:
        """Ask it to save and end; it has `grace` seconds."""
        if self._stopped is None:
            self._stopped = self._clock()
            self._press()

    def kill(self) -> None:
        """End it now, with everything below it."""
        self.killed = True
        with suppress(OSError):
            if self._guard.stdin is not None:
                self._guard.stdin.close()

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        if self._guard.wait() != 0:
            end_left(self._mark)  # somebody killed the guard before its work was done
        self._answers.close()

    def _press(self) -> None:
        if self._stopped is None or self.pid is None:
            return
        waited = self._clock() - self._stopped
        if waited >= self._grace:
            self.kill()
        elif self._told == 0:
            self._told = 1
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        elif self._told == 1 and waited >= min(GROUP_SECONDS, self._grace / 2):
            self._told = 2
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)

    def _ended(self) -> int:
        line = self._answers.readline()
        if line.strip():
            return int(line)
        # the guard was killed, or could not start the script
        return -signal.SIGKILL if self._guard.returncode < 0 else self._guard.returncode
