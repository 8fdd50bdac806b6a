"""A large file in pieces: the client would hold much of it, and send all of it again after a kill.

Each piece is a file on the volume, in a directory named after the whole file's sha256; a container
joins them. Whoever begins anew sends what is not there.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import modal

from training.compute.modal import carrier
from training.compute.recipe import Hardware, Recipe
from training.errors import Unreachable
from training.store.durable import sha256_of
from training.store.layout import making_name

__all__ = ["LARGE_BYTES", "Sending"]

LARGE_BYTES: Final = 64 << 20
"""What is larger is sent in pieces."""

PIECE_BYTES: Final = 32 << 20
_READ: Final = 1 << 20


class Sending:
    """Sends one large file.

    Args:
        handle: The volume.
        name: What the volume is called.
        environment: The workspace's environment; the default one when None.
        sizes: Says the sizes of the files in a directory of it, by name.
        put: Puts one file of this machine at a path of it.
    """

    def __init__(
        self,
        handle: modal.Volume,
        name: str,
        environment: str | None,
        sizes: Callable[[str], Mapping[str, int]],
        put: Callable[[Path, str], None],
    ) -> None:
        self._handle, self._name, self._environment = handle, name, environment
        self._sizes, self._put = sizes, put

    def send(self, file: Path, target: str) -> None:
        """Copy a file of this machine to a path of the volume.

        Raises:
            Unreachable: It changed while it was sent.
        """
        sha256 = sha256_of(file)
        staged, status = making_name(f"upload-{sha256[:16]}"), file.stat()
        there = self._sizes(staged)
        parent, _, name = target.rpartition("/")
        seems_whole = not there and self._sizes(parent).get(name) == status.st_size
        # it may have been joined before whatever ended the one that sent it
        if seems_whole and self._joined(target, staged, sha256, status.st_mode):
            return
        for at in range(0, status.st_size, PIECE_BYTES):
            piece, size = f"{at:020}", min(PIECE_BYTES, status.st_size - at)
            if there.get(piece) != size:
                self._send(file, at, f"{staged}/{piece}")
        if not self._joined(target, staged, sha256, status.st_mode):
            raise Unreachable(
                f"{file} changed while it was sent to volume {self._name}",
                fix="run the same command again: it sends the file as it is then",
                code="upload_changed",
            )

    def _send(self, file: Path, at: int, path: str) -> None:
        # a file of its own: the client opens again by name what it is given
        with tempfile.NamedTemporaryFile(prefix="piece-") as piece:
            with file.open("rb") as whole:
                whole.seek(at)
                left = PIECE_BYTES
                while left and (part := whole.read(min(_READ, left))):
                    piece.write(part)
                    left -= len(part)
            piece.flush()
            self._put(Path(piece.name), path)

    def _joined(self, target: str, staged: str, sha256: str, mode: int) -> bool:
        recipe, hardware = Recipe(), Hardware()
        app = carrier.declare(recipe, hardware, carrier.image_of(recipe))
        app.deploy(environment_name=self._environment)
        function = modal.Function.from_name(
            carrier.app_name(recipe, hardware), "join", environment_name=self._environment
        ).with_options(**carrier.options(hardware, self._handle))
        bits = mode & 0o777
        return bool(function.remote(target, staged, sha256, volume=self._name, mode=bits))
