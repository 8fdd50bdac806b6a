"""Reading and replacing text files whole, with their own line ends and whatever bytes they hold."""

import glob
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

from agents.errors import ActionFailed, Permanent

__all__ = ["read_text", "write_file"]

MOST_BYTES = 4_000_000
"""A larger file is no record: reading it would only take time and memory."""


def read_text(path: Path) -> str:
    """The text of a file with its own line ends.

    Raises:
        ActionFailed: It cannot be read, is no file or is larger than `MOST_BYTES`
            (``not_readable``).
    """
    if path.exists() and not path.is_file():
        raise _failed("read", path, "it is no file")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _failed("read", path, f"it has more than {MOST_BYTES:,} bytes")
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError as error:
        raise _failed("read", path, error.strerror or str(error)) from error


def write_file(path: Path, text: str) -> None:
    """Replace a file in one step; a reader sees the old text or the new one.

    Raises:
        ActionFailed: It cannot be written, or is a symbolic link: what that leads to may belong
            to somebody else (``not_writable``).
    """
    if path.is_symlink():
        raise _failed("written", path, "it is a symbolic link")
    try:
        _replace(path, text)
    except OSError as error:
        raise _failed("written", path, error.strerror or str(error)) from error


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # records are written under a lock, so this is what a process that was killed left behind
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        left.unlink(missing_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def _failed(what: Literal["read", "written"], path: Path, why: str) -> ActionFailed:
    return Permanent(
        f"{path} cannot be {what}: {why}",
        fix="mend or move it, or name another repository: repo=DIR",
        name="not_readable" if what == "read" else "not_writable",
    )
