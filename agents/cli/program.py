"""The program of a process that lives for weeks, while its source changes on the disk."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from agents.cli.output import say

__all__ = ["Program"]

START_SECONDS = 60


class Program:
    """What was loaded from the files of this project, and whether they still say the same.

    A commit that prompts a look may have changed the presets and actions that this process loaded
    before it. Nothing is remembered but in the ledger, so the answer is to start again.

    Args:
        stop: Set when the program has to start again.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._loaded: dict[Path, tuple[int, int] | None] = {}
        self.outdated = False
        self.ready()

    def ready(self) -> bool:
        """Whether the source is what was loaded; if not, and it can be, everything is stopped."""
        for path in _sources():
            self._loaded.setdefault(path, _seen(path))
        if all(_seen(path) == then for path, then in self._loaded.items()):
            return True
        problem = _does_not_start()
        if problem:
            say(f"the program changed and does not start any more: {problem}")
            return False
        self.outdated = True
        self._stop.set()
        return False

    def start_again(self) -> None:
        """Replace this process by one that has the same words, number and terminal."""
        say("the program changed: starting again")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own words


def _sources() -> list[Path]:
    found = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    installed = [Path(sys.prefix), Path(sys.base_prefix)]
    paths = [Path(each).absolute() for each in found if each]
    return [path for path in paths if not any(path.is_relative_to(each) for each in installed)]


def _seen(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _does_not_start() -> str:
    """What a new process of this program says when it cannot load its declarations."""
    words = len(sys.argv) - 1
    command = [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - words], "goals", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS)  # noqa: PLW1510
    except subprocess.TimeoutExpired:
        return f"no answer within {START_SECONDS} s"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return (lines or [f"exit code {done.returncode}"])[-1] if done.returncode else ""
