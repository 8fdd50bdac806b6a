"""Mounts: source files of the client that a container sees, named by their content."""

import hashlib
import json
import shutil
from pathlib import Path

from training.compute.loopback.blobs import Blobs
from training.compute.loopback.refusal import not_found
from training.compute.loopback.store import Store

__all__ = ["Mounts"]


class Mounts:
    """Lists of files by id.

    Args:
        store: Where they are kept.
        blobs: Where the bytes are.
    """

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    def create(self, files: dict[str, tuple[str, int]]) -> str:
        """The mount of these files: path → digest and permission bits."""
        text = json.dumps(files, sort_keys=True)
        identity = f"mo-{hashlib.sha256(text.encode()).hexdigest()[:22]}"
        self._store.put("mount", identity, files)
        return identity

    def unpack(self, identity: str, root: Path) -> None:
        """Write the files of a mount below `root`.

        Raises:
            GRPCError: There is no such mount.
        """
        files = self._store.get("mount", identity)
        if files is None:
            raise not_found(f"Mount {identity} does not exist")
        for path, (digest, mode) in files.items():
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._blobs.path(digest), target)
            target.chmod(mode or 0o644)
