"""What the steps of a run touch, held while they run, so that runs of other goals go on beside it.

Each name that an action declares is a lock of its own, taken in sorted order and all or none. What
declares nothing may touch everything, and runs alone. The kernel gives locks back when the process
ends, however it ends.
"""

import hashlib
import threading
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from enum import Enum
from pathlib import Path

from agents.errors import Locked
from agents.run.lock import LOCKS, exclusive, owner_of, shared

__all__ = ["Taken", "Touching"]

EVERYTHING = "everything.lock"


class Taken(Enum):
    """Whether a step holds what it touches."""

    YES = "yes"
    OURS = "a step of this run holds some of it"
    THEIRS = "another run holds some of it"


class Touching:
    """The locks of the steps of one run.

    Args:
        state: The state directory.
        owner: Who holds them, for whoever has to wait.
    """

    def __init__(self, state: Path, owner: Mapping[str, str]) -> None:
        self.state, self.owner = state, dict(owner)
        self._steps: dict[str, tuple[str, ...] | None] = {}
        self._held: dict[str, tuple[int, ExitStack]] = {}
        self._alone = False
        # steps of one plan begin in one thread and may end in another
        self._lock = threading.Lock()

    def take(self, step: str, names: Iterable[str] | None) -> Taken:
        """Hold what a step touches; nothing is held when somebody holds some of it.

        Args:
            step: Gives it back under this id.
            names: What it touches; None: it may be everything.
        """
        wanted = _wanted(names)
        with self._lock:
            if wanted is None and not self._alone and EVERYTHING in self._held:
                return Taken.OURS
            taken: list[str] = []
            try:
                for name in _files(wanted):
                    self._take(name, alone=wanted is None or name != EVERYTHING)
                    taken.append(name)
            except Locked:
                for name in taken:
                    self._give(name)
                return Taken.THEIRS
            self._alone = self._alone or wanted is None
            self._steps[step] = wanted
            return Taken.YES

    def give(self, step: str) -> None:
        """Give back what a step held; one that held nothing is fine."""
        with self._lock:
            if step in self._steps:
                for name in _files(self._steps.pop(step)):
                    self._give(name)

    def close(self) -> None:
        """Give everything back: the steps of a plan have ended, however they did."""
        with self._lock:
            for _, stack in self._held.values():
                stack.close()
            self._held, self._steps, self._alone = {}, {}, False

    def in_the_way(self, names: Iterable[str] | None) -> str:
        """Who holds some of these, in words."""
        wanted = _wanted(names)
        folder = self.state / LOCKS
        every = sorted(path.name for path in folder.glob("touch-*.lock")) if folder.is_dir() else []
        for name in [*_files(wanted), *(every if wanted is None else ())]:
            owner = owner_of(folder / name)
            if owner is not None and owner.run != self.owner.get("run"):
                return f"the run {owner.run} (pid {owner.pid}, {owner.goal})"
        return "another run"

    def _take(self, name: str, *, alone: bool) -> None:
        # what two steps of this run touch is this run's business: their plan orders them
        count, stack = self._held.get(name, (0, ExitStack()))
        if not count:
            hold = exclusive if alone else shared
            stack.enter_context(hold(self.state, self.owner, name=f"{LOCKS}/{name}"))
        self._held[name] = (count + 1, stack)

    def _give(self, name: str) -> None:
        count, stack = self._held.pop(name)
        if count > 1:
            self._held[name] = (count - 1, stack)
            return
        stack.close()
        if name == EVERYTHING:
            self._alone = False


def _wanted(names: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(sorted(set(names)))


def _files(names: tuple[str, ...] | None) -> list[str]:
    """The files of these names, in the order in which everybody takes them."""
    if names is None:
        return [EVERYTHING]
    if not names:
        return []
    digests = {hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16] for name in names}
    return [EVERYTHING, *(f"touch-{digest}.lock" for digest in sorted(digests))]
