"""The source of ``file.changed``: what matches a pattern is not what it was.

The operating system's notifications (through ``watchfiles``) only say when to look. What is
compared is a fingerprint of names, sizes and times, so that a change nobody was told of is seen
as well, also one from before this process started.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Self

from agents.declare.triggers import FILE, Trigger, matches_path
from agents.ledger.chain import json_text
from agents.ledger.events import Event, new_event
from agents.ledger.payloads import FileChanged, FileSeen
from agents.ledger.store import Ledger
from agents.watching.source import Place, last_event

__all__ = ["FileSource", "snapshot"]

MOST_PATHS = 50
_NEVER = {"__pycache__", "node_modules"}


class FileSource:
    """Files below a folder that match patterns.

    Args:
        root: The folder.
        patterns: Relative to it; hidden folders are never entered.
        wake: Called from another thread when something may have changed; None: only polling.
    """

    def __init__(
        self, root: Path, patterns: tuple[str, ...], wake: Callable[[], object] | None = None
    ) -> None:
        self._root = root.absolute()
        self._patterns = patterns
        self._files: dict[str, str] | None = None
        self._fingerprint = ""
        self._stop = threading.Event()
        if wake is not None:
            threading.Thread(target=self._listen, args=(wake,), name="files", daemon=True).start()

    @staticmethod
    def serves(trigger: Trigger, place: Place) -> tuple[Path, tuple[str, ...]] | None:
        """The patterns, below the folder of a place."""
        return (place.root, trigger.paths) if trigger.event == FILE else None

    @classmethod
    def open(cls, trigger: Trigger, place: Place) -> Self:
        """The source of the trigger's patterns in a place."""
        return cls(place.root, trigger.paths, place.wake)

    @property
    def source(self) -> str:
        """The identity of the folder in the ledger."""
        return json_text(f"files:{self._root}")

    @property
    def subject(self) -> str:
        """The patterns, as the ledger has them."""
        return json_text(" ".join(self._patterns))

    def poll(self, ledger: Ledger, now: datetime) -> None:
        """Append a change of the fingerprint, with the names that changed."""
        files = snapshot(self._root, self._patterns)
        current = _fingerprint(files)
        if not self._fingerprint:
            last = last_event(ledger, (FileChanged, FileSeen), self.source, self.subject)
            if last is None:
                ledger.append(self._event(FileSeen(fingerprint=current), "", now))
            self._fingerprint = last.fingerprint if last is not None else current
        if current != self._fingerprint:
            changed = FileChanged(
                fingerprint=current, paths=tuple(map(json_text, self._changed(files)))
            )
            ledger.receive(self._event(changed, self._fingerprint, now))
        self._files, self._fingerprint = files, current

    def waiting(self, now: datetime) -> str:  # noqa: ARG002 - changes have no due time
        """The patterns and the folder."""
        return json_text(f"changes of {', '.join(self._patterns)} in {self._root}")

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()

    def _changed(self, files: dict[str, str]) -> list[str]:
        before = self._files
        if before is None:  # they changed while nobody looked: which ones is not known
            return sorted(files)[:MOST_PATHS]
        return sorted(
            path for path in files.keys() | before.keys() if files.get(path) != before.get(path)
        )[:MOST_PATHS]

    def _event(self, seen: FileSeen, old: str, now: datetime) -> Event:
        return new_event(
            seen,
            source=self.source,
            subject=self.subject,
            id=f"{seen.type} {self.subject} {old[:16]} {seen.fingerprint[:16]}",
            clock=lambda: now,
        )

    def _listen(self, wake: Callable[[], object]) -> None:
        from watchfiles import watch  # noqa: PLC0415 - only where files are watched

        for _ in watch(self._root, stop_event=self._stop, raise_interrupt=False):
            wake()


def snapshot(root: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Path → size and time of last change, of the files that match."""
    files = {}
    for path in _walk(root):
        name = path.relative_to(root).as_posix()
        if not matches_path(name, patterns):
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # it went away between the listing and the look
        files[name] = f"{status.st_size} {status.st_mtime_ns}"
    return files


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _NEVER
        )
        yield from (Path(folder, name) for name in sorted(names))


def _fingerprint(files: dict[str, str]) -> str:
    text = "\n".join(f"{path} {seen}" for path, seen in sorted(files.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
