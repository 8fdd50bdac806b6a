"""Room that is kept free on a volume, so that a training which fills it can end with its name."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from training.store.durable import disk_errors

__all__ = ["Reserve"]

BYTES: Final = 1 << 18


class Reserve:
    """A file of zeros that is given back when there is no room left.

    Args:
        directory: Where it lies.

    Raises:
        DiskFull: There is no room for it; then there is none for a training either.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / ".reserve"
        try:
            with disk_errors(self._path), self._path.open("wb") as file:
                file.write(bytes(BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Give the room back."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
