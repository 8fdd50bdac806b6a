"""Named places where a test can have the process killed; inert unless ``$GOAP_FAILPOINT`` is set.

``GOAP_FAILPOINT=NAME`` sends SIGKILL to the process at the first pass of that place,
``NAME:N`` at the N-th, ``*:N`` at the N-th pass of any. ``@FILE`` kills nothing and appends the
name of every place that is passed to FILE: this is how a sweep finds out what there is to kill at.
``*:N@FILE`` does both: a run that is not killed shows that it had fewer places than N, since how
many there are depends on how often it has something to note.

Two of the places need no line of code where they happen: Python itself announces a rename
(``rename``) and the launch of a process (``launch``) to audit hooks, so every one is covered,
wherever it is written. A kill before the next of them is the same as a kill after this one.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

__all__ = ["VARIABLE", "arm", "failpoint"]

VARIABLE = "GOAP_FAILPOINT"

_AUDITED = {"os.rename": "rename", "subprocess.Popen": "launch"}


class _Armed:
    """What happens at the places of this process."""

    def __init__(self, wanted: str) -> None:
        kill, _, file = wanted.partition("@")
        self.trace = Path(file) if file else None
        self.name, _, number = kill.partition(":")
        self.left = int(number or 1)
        self._lock = threading.Lock()

    def passed(self, name: str) -> None:
        with self._lock:
            if self.trace is not None:
                with self.trace.open("a", encoding="utf-8") as file:
                    file.write(f"{name}\n")
            if self.name in ("*", name):
                self.left -= 1
                if self.left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)


_armed: _Armed | None = None


def failpoint(name: str) -> None:
    """Pass the place called ``name``."""
    if _armed is not None:
        _armed.passed(name)


def arm(environment: Mapping[str, str] = os.environ) -> None:
    """Do what ``$GOAP_FAILPOINT`` asks for; nothing when it is not set."""
    global _armed  # noqa: PLW0603 - one process, one place to die
    wanted = environment.get(VARIABLE, "")
    if not wanted:
        return
    if _armed is None:
        sys.addaudithook(_audit)  # stays for the life of the process: only where a test asked
    _armed = _Armed(wanted)


def _audit(event: str, _: tuple[object, ...]) -> None:
    if event in _AUDITED:
        failpoint(_AUDITED[event])
