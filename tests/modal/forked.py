"""Processes forked from one that has imported what they need: each as real, and begun at once.

A test of a launch starts a hundred of them; most of what each took was importing the client.
"""

import atexit
import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path

IMPORTED = [
    *("training.compute.modal.compute", "training.compute.modal.volume"),
    *("agents.__main__", "actions.trained.declared", "actions.trained.train"),
]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(IMPORTED)


class Forked:
    """A program in a process of its own, as `subprocess.Popen` shows one.

    Args:
        place: Where what it prints is kept.
        code: The program.
        words: Its arguments.
        where: The folder it runs in.
        environment: All that it has.
    """

    def __init__(
        self,
        place: Path,
        code: str,
        words: tuple[str, ...],
        where: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._said = [place / "out", place / "err"]
        arguments = (self._said, code, words, where, dict(environment))
        self._process = CONTEXT.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """As it ended; negative by a signal."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As it ended, when it did."""
        return self._process.exitcode

    def kill(self) -> None:
        """With a signal that nobody hears."""
        self._process.kill()

    def send_signal(self, number: int) -> None:
        """With any other."""
        if self._process.is_alive() and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def close(self) -> None:
        """Ended, whatever it did."""
        self._process.kill()
        self._process.join()
        self._process.close()

    def wait(self, seconds: float | None = None) -> int | None:
        """Until it ended, or for so long."""
        self._process.join(seconds)
        return self._process.exitcode

    def communicate(self) -> tuple[str, str]:
        """What it printed, when it ended."""
        self._process.join()
        out, err = (
            path.read_text(encoding="utf-8") if path.exists() else "" for path in self._said
        )
        return out, err


def _run(
    said: list[Path], code: str, words: tuple[str, ...], where: Path, environment: dict[str, str]
) -> None:
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(where)
    sys.argv = ["-c", *words]
    sys.path.insert(0, str(where))
    try:
        exec(compile(code, "<launcher>", "exec"), {"__name__": "__main__"})  # noqa: S102 - of a test
    finally:
        atexit._run_exitfuncs()
