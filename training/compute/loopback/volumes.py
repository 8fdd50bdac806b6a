"""Volumes as snapshots: a list of files, each a blob, that a commit replaces as a whole.

What a container writes stays in its own copy until it commits; others see it when they reload; a
killed container takes with it what it had not committed.
"""

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.compute.loopback.blobs import Blobs
from training.compute.loopback.messages import new_id
from training.compute.loopback.refusal import invalid, not_found
from training.compute.loopback.store import Store

__all__ = ["File", "Snapshot", "Volumes"]


@dataclass(frozen=True)
class File:
    """One file of a snapshot; `mode` are its permission bits, `time` is in seconds since 1970."""

    digest: str
    size: int
    time: int
    mode: int = 0o644


Snapshot = dict[str, File]
"""Path without a leading slash → file."""


class Volumes:
    """Volumes by name, with the newest snapshot of each.

    Args:
        store: Where snapshots are kept.
        blobs: Where the bytes are.
    """

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._lock = threading.RLock()
        self.blobs = blobs

    def open(self, name: str, create: bool) -> str:
        """The id of the volume of this name.

        Raises:
            GRPCError: There is none and `create` is false.
        """
        known = self._store.get("volume name", name)
        if known is not None:
            return str(known)
        if not create:
            raise not_found(f"Volume {name!r} does not exist")
        identity = new_id("vo")
        self._store.put("volume", identity, {"name": name, "files": {}})
        self._store.put("volume name", name, identity)
        return identity

    def name(self, identity: str) -> str:
        """The name of a volume."""
        return str(self._record(identity)["name"])

    def delete(self, identity: str) -> None:
        """Forget a volume and its files."""
        with self._lock:
            name = self.name(identity)
            self._store.delete("volume name", name)
            self._store.delete("volume", identity)

    def snapshot(self, identity: str) -> Snapshot:
        """What was committed last."""
        files = self._record(identity)["files"]
        return {path: File(*values) for path, values in files.items()}

    def merge(self, identity: str, changed: Snapshot, deleted: Iterable[str]) -> None:
        """Publish changes in one step; where two change a file, the later commit wins."""
        with self._lock:
            record = self._record(identity)
            files = record["files"]
            for path in deleted:
                files.pop(path, None)
            for path, file in changed.items():
                files[path] = [file.digest, file.size, file.time, file.mode]
            self._store.put("volume", identity, record)

    def put(self, identity: str, uploaded: dict[str, tuple[str, int]], overwrite: bool) -> None:
        """Files written by a client: path → digest and permission bits.

        Raises:
            GRPCError: A file is there and `overwrite` is false, or its bytes are not here.
        """
        now, before, changed = int(time.time()), self.snapshot(identity), {}
        for path, (digest, mode) in uploaded.items():
            if not overwrite and _clean(path) in before:
                raise invalid(f"{path}: already exists")
            if not self.blobs.has(digest):
                raise not_found(f"{path}: its bytes were never uploaded")
            size = self.blobs.path(digest).stat().st_size
            changed[_clean(path)] = File(digest, size, now, mode or 0o644)
        self.merge(identity, changed, ())

    def file(self, identity: str, path: str) -> File:
        """One file.

        Raises:
            GRPCError: It is not there.
        """
        found = self.snapshot(identity).get(_clean(path))
        if found is None:
            raise not_found(f"{path}: no such file in volume {self.name(identity)}")
        return found

    def list(self, identity: str, path: str, recursive: bool) -> dict[str, File | None]:
        """What lies below a directory: path → file, or None for a directory.

        Raises:
            GRPCError: There is no such directory.
        """
        files, top = self.snapshot(identity), _clean(path)
        if top in files:
            return {top: files[top]}
        prefix = f"{top}/" if top else ""
        found: dict[str, File | None] = {}
        for name in sorted(files):
            if not name.startswith(prefix):
                continue
            parts = name.removeprefix(prefix).split("/")
            for depth in range(1, len(parts) if recursive else min(2, len(parts))):
                found[prefix + "/".join(parts[:depth])] = None
            if recursive or len(parts) == 1:
                found[name] = files[name]
        if not found and top:
            raise not_found(f"{path}: no such directory in volume {self.name(identity)}")
        return found

    def remove(self, identity: str, path: str, recursive: bool) -> None:
        """Delete a file, or a directory with all that is below.

        Raises:
            GRPCError: It is not there, or it is a directory and `recursive` is false.
        """
        with self._lock:
            files, top = self.snapshot(identity), _clean(path)
            below = [name for name in files if name.startswith(f"{top}/" if top else "")]
            if top in files:
                self.merge(identity, {}, [top])
            elif not below:
                raise not_found(f"{path}: no such file or directory")
            elif not recursive:
                raise invalid(f"{path} is a directory")
            else:
                self.merge(identity, {}, below)

    def _record(self, identity: str) -> dict[str, Any]:
        record: dict[str, Any] | None = self._store.get("volume", identity)
        if record is None:
            raise not_found(f"Volume {identity} does not exist")
        return record


def _clean(path: str) -> str:
    parts = [part for part in Path(path).parts if part != "/"]
    if ".." in parts:
        raise invalid(f"{path} leaves the volume")
    return "/".join(parts)
