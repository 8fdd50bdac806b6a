"""The copy of the source that every attempt runs, proven to be what the key was made of."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import ConfigError
from training.key import digest_of_files
from training.runner.order import Order
from training.store.durable import remove_abandoned, temporary_directory
from training.store.layout import LocalLayout

__all__ = ["work_directory"]


@contextmanager
def work_directory(
    order: Order, layout: LocalLayout, scratch: Path | None = None
) -> Iterator[Path]:
    """A directory of this attempt alone, with the staged source in it; gone afterwards.

    A script may write beside its source: the next attempt finds that as it was.

    Args:
        order: What its key was made of.
        layout: Where the source is staged.
        scratch: Where the directory is made; by default where the system keeps such. What an
            attempt left there that was killed is removed.

    Raises:
        ConfigError: The staged source is not there, or not the one of the key.
    """
    staged = layout.source_path
    files = [path for path in staged.rglob("*") if path.is_file()]
    if not order.earlier and digest_of_files(staged, files) != order.parts.source:
        raise ConfigError(
            f"{staged} is not the source that key {order.key} was made of",
            fix=f"rm -r {staged}; then run the goal again: it stages the source",
            code="source_differs",
        )
    place = _scratch() if scratch is None else scratch
    remove_abandoned(place)
    with temporary_directory(place, order.key) as directory:
        work = directory / "source"
        work.mkdir()
        # the bytes of the key come last: what lies beside never takes their place
        for folder in (layout.beside_path, staged):
            if folder.is_dir():
                shutil.copytree(folder, work, dirs_exist_ok=True)
        yield work


def _scratch() -> Path:
    """A directory of this user alone."""
    place = Path(tempfile.gettempdir(), f"goap-{os.getuid()}")
    place.mkdir(mode=0o700, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.getuid():
        return Path(tempfile.mkdtemp(prefix=f"{place.name}-"))  # somebody else has taken the name
    return place
