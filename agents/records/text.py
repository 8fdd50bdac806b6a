"""Reading and replacing text files whole, with their own line ends and whatever bytes they hold."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["read_text", "write_file"]


def read_text(path: Path) -> str:
    """The text of a file with its own line ends."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def write_file(path: Path, text: str) -> None:
    """Replace a file in one step; a reader sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
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
