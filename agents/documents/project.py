"""The project that pages belong to: its folder, its packages and what it says it makes."""

import importlib.metadata
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

__all__ = ["Project"]

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Project:
    """A folder with pages; what its ``pyproject.toml`` says, where there is one.

    Attributes:
        root: The folder.
        undeclared: Packages whose names are checked where no dependencies are declared.
        familiar: Package → what everybody calls an object of one of its classes; pages name the
            classes of such a package without the package.
        words: Words with a dot that are no names of packages, such as types of events.
    """

    root: Path
    undeclared: tuple[str, ...] = ()
    familiar: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    @cached_property
    def _pyproject(self) -> dict[str, Any]:
        path = self.root / "pyproject.toml"
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Beginnings of paths that a run makes, so that they need not exist yet."""
        table = self._pyproject.get("tool", {}).get("agents", {}).get("docs", {})
        return tuple(table.get("outputs", ()))

    @cached_property
    def packages(self) -> frozenset[str]:
        """Top-level names whose attributes a page may quote: dependencies, and our own."""
        project = self._pyproject.get("project", {})
        extras = project.get("optional-dependencies", {})
        # pages are about what the program is made of, not about what it is developed with
        declared = list(project.get("dependencies", []))
        declared += [each for name, extra in extras.items() if name != "dev" for each in extra]
        wanted = {_plain(match[0]) for each in declared if (match := _NAME.match(each))}
        wanted = wanted or set(self.undeclared)
        installed = {
            module
            for module, distributions in _installed().items()
            if not module.startswith("_") and wanted & {_plain(name) for name in distributions}
        }
        own = {path.parent.name for path in self.root.glob("*/__init__.py")}
        return frozenset(installed | own)

    def is_output(self, path: str) -> bool:
        """Whether a run makes the file or folder of this path."""
        return any(path.startswith(each) or f"{path}/" == each for each in self.outputs)


@cache
def _installed() -> Mapping[str, list[str]]:
    """Top-level module → distributions; it takes half a second, and does not change."""
    return importlib.metadata.packages_distributions()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
