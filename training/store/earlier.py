"""How a volume of the earlier layout is known; `training.store.migrate` brings it to that of now.

Every plan asks this of its volume, so it imports nothing of what migrating needs.
"""

from collections.abc import Iterator
from pathlib import Path

from training.errors import ConfigError
from training.store.volume import Volume

__all__ = [
    "CHECKPOINTS",
    "COMMITS",
    "CONFIG",
    "DATASETS",
    "RESULT",
    "check_directory",
    "check_layout",
    "is_old",
    "old_checkpoints",
    "old_datasets",
    "old_trainings",
    "subdirectories",
]

CHECKPOINTS, COMMITS, TRAININGS, DATASETS = "checkpoints", "commits", "trainings", "datasets"
CONFIG, RESULT = "config.json", "result.json"


def check_layout(volume: Volume) -> None:
    """Return when a volume that is elsewhere is not of the earlier layout.

    Raises:
        ConfigError: It is: it can be migrated where it is a directory only.
    """
    old = sorted({CHECKPOINTS, COMMITS} & set(volume.listdir("")))
    if old:
        raise ConfigError(
            f"volume {volume.name} is of an earlier layout: {', '.join(old)} lie beside trainings",
            fix=f"use another volume, or fetch this one (modal volume get {volume.name} / DIR) and "
            "migrate it: python -m training list --volume DIR",
            code="volume_of_earlier_layout",
        )


def check_directory(root: Path) -> None:
    """Return when a volume that is a directory here is not of the earlier layout.

    Whoever only looks changes nothing, so it is left to a person to have it migrated.

    Raises:
        ConfigError: It is.
    """
    if is_old(root):
        raise ConfigError(
            f"volume {root} is of an earlier layout",
            fix=f"python -m training list --volume {root} migrates it and loses nothing; then run "
            "the same command again",
            code="volume_of_earlier_layout",
        )


def is_old(root: Path) -> bool:
    """Whether anything in a volume that is a directory here is of the earlier layout."""
    if (root / CHECKPOINTS).is_dir() or (root / COMMITS).is_dir():
        return True
    return any(old_trainings(root)) or any(old_datasets(root))


def old_trainings(root: Path) -> Iterator[Path]:
    """The directories of trainings that lie as they did."""
    return (path for path in subdirectories(root / TRAININGS) if (path / CONFIG).is_file())


def old_checkpoints(root: Path) -> list[Path]:
    """The directories of checkpoints, one per training, that lie as they did."""
    models = subdirectories(root / CHECKPOINTS)
    return [path for model in models for path in subdirectories(model)]


def old_datasets(root: Path) -> Iterator[Path]:
    """The directories of datasets that are called by a label."""
    for path in subdirectories(root / DATASETS):
        if path.name != "sources" and not _is_digest(path.name):
            yield path


def _is_digest(name: str) -> bool:
    return len(name) == 64 and not set(name) - set("0123456789abcdef")


def subdirectories(path: Path) -> list[Path]:
    """The directories in a directory, hidden ones left out; none where there is none."""
    if not path.is_dir():
        return []
    return sorted(each for each in path.iterdir() if each.is_dir() and each.name[0] != ".")
