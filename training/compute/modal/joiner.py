"""The function that joins the pieces of a large file on its volume, in a container.

Of ours it imports only what is mounted in every container.
"""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

import modal

from training.compute.modal.mounts import mounted

__all__ = ["join"]

_READ: Final = 1 << 20


def join(target: str, staged: str, sha256: str, *, volume: str, mode: int = 0o644) -> bool:
    """Make one file of pieces, whole or not at all; the pieces go after it.

    Args:
        target: The file, below the volume.
        staged: The directory of its pieces, which are in the order of their names.
        sha256: Of the whole file.
        volume: The name of the volume that is mounted.
        mode: The permission bits of the file.

    Returns:
        Whether the file is there; if not, pieces are missing or damaged, and those are gone.
    """
    own, root = modal.Volume.from_name(volume), mounted()
    own.reload()
    final, pieces = root / target, root / staged
    there = final.is_file() and _digest([final], None) == sha256
    if not there and pieces.is_dir():
        final.parent.mkdir(parents=True, exist_ok=True)
        arriving = final.with_name(f".{final.name}.arriving")
        there = _digest(sorted(pieces.iterdir()), arriving) == sha256
        if there:
            arriving.chmod(mode)
            arriving.replace(final)
            own.commit()
        else:
            arriving.unlink()
    shutil.rmtree(pieces, ignore_errors=True)
    own.commit()
    return there


def _digest(files: list[Path], copy: Path | None) -> str:
    """The sha256 of files one after the other, which are written into one where that is asked."""
    digest = hashlib.sha256()
    with Path(copy or os.devnull).open("wb") as written:
        for path in files:
            with path.open("rb") as file:
                while part := file.read(_READ):
                    digest.update(part)
                    written.write(part)
        if copy is not None:
            written.flush()
            os.fsync(written.fileno())
    return digest.hexdigest()
