"""Bytes by their SHA-256: files of mounts and volumes, and large arguments and results."""

import hashlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

__all__ = ["Blobs"]


class Blobs:
    """A directory of files named after what is in them.

    Args:
        root: The directory; made when it is not there.

    Attributes:
        received: How many bytes came.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.received = 0
        root.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes) -> str:
        """Keep `content` and return its digest."""
        self.received += len(content)
        digest = hashlib.sha256(content).hexdigest()
        if not self.has(digest):
            scratch = self._scratch()
            scratch.write_bytes(content)
            scratch.replace(self.path(digest))
        return digest

    def put_file(self, source: Path) -> tuple[str, int]:
        """Copy `source`, which may grow meanwhile, and return digest and size of the copy."""
        digest, size, scratch = hashlib.sha256(), 0, self._scratch()
        with source.open("rb") as file, scratch.open("wb") as copy:
            while piece := file.read(1 << 20):
                digest.update(piece)
                copy.write(piece)
                size += len(piece)
        scratch.replace(self.path(digest.hexdigest()))
        return digest.hexdigest(), size

    async def put_stream(self, pieces: AsyncIterator[bytes]) -> tuple[str, str]:
        """Keep what arrives piece by piece; its digest, and its MD5 for who compares that."""
        digest, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        scratch = self._scratch()
        with scratch.open("wb") as file:
            async for piece in pieces:
                digest.update(piece)
                md5.update(piece)
                file.write(piece)
                self.received += len(piece)
        scratch.replace(self.path(digest.hexdigest()))
        return digest.hexdigest(), md5.hexdigest()

    def has(self, digest: str) -> bool:
        """Whether these bytes are here."""
        return self.path(digest).exists()

    def path(self, digest: str) -> Path:
        """The file with these bytes; not to be changed.

        Raises:
            ValueError: `digest` is none.
        """
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise ValueError(f"{digest!r} is no SHA-256")
        return self._root / digest

    def _scratch(self) -> Path:
        return self._root / f".{os.getpid()}-{uuid.uuid4().hex}"
