"""What our own two models require, with versions."""

import importlib.metadata
import re
from pathlib import Path

from training.errors import INSTALL, ImageError

__all__ = ["PYTHON", "REQUIREMENTS", "not_installed", "pins"]

REQUIREMENTS = ("torch", "numpy", "pillow", "safetensors", "pydantic")
"""What training needs to run; everything else it imports comes with these."""

PYTHON = "3.11"
"""The version that our own models are declared with, wherever they are trained."""

_PACKAGE = Path(__file__).resolve().parents[1]
_CONSTRAINTS = next(
    # a wheel holds the pins inside of the package; in a clone they lie at the top
    (path for path in (_PACKAGE / "constraints.txt",) if path.exists()),
    _PACKAGE.parent / "constraints.txt",
)


def pins(constraints: Path = _CONSTRAINTS) -> tuple[str, ...]:
    """``name==version`` of each of `REQUIREMENTS`: as pinned, or as installed where no pins are.

    Raises:
        ImageError: A requirement is neither pinned nor installed here.
    """
    versions = dict(re.findall(r"(?m)^\s*([\w.-]+)==([^\s;#+]+)", _text(constraints)))
    pinned = {_normal(name): version for name, version in versions.items()}
    return tuple(f"{name}=={pinned.get(name) or _installed(name)}" for name in sorted(REQUIREMENTS))


def not_installed() -> tuple[str, ...]:
    """Which of `REQUIREMENTS` are not in the environment of this program."""
    return tuple(name for name in sorted(REQUIREMENTS) if not _version(name))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _installed(name: str) -> str:
    version = _version(name)
    if not version:
        raise ImageError(f"{name} is not installed", fix=INSTALL)
    return version


def _version(name: str) -> str:
    """The one that is installed here; empty where none is."""
    try:
        # "2.13.0+cpu" is 2.13.0, built for another processor
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
