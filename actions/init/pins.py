"""What a script needs installed: said by a file beside it, else guessed from its imports."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Requirements", "requirements_of"]

_LOOK = """
import importlib.metadata as m, json, sys
names = m.packages_distributions()
found = {n: sorted(set(names.get(n, ())))[:1] for n in json.load(sys.stdin)}
print(json.dumps({n: [d[0], m.version(d[0])] for n, d in found.items() if d}))
"""


@dataclass(frozen=True)
class Requirements:
    """What is written as ``requirements=``.

    Attributes:
        file: The file that says it; empty when the pins are listed.
        pins: ``name==version`` each, or as the project declares them.
        missing: Imports that are installed nowhere here, so that no version is known.
    """

    file: str = ""
    pins: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def requirements_of(folder: Path, imports: Iterable[str]) -> Requirements:
    """What a script needs: as uv.lock, requirements.txt or the project says, else its imports.

    Args:
        folder: Of the job.
        imports: Top-level names that the script imports.
    """
    for name in ("uv.lock", "requirements.txt"):
        if (folder / name).is_file():
            return Requirements(file=name)
    declared = _of_the_project(folder / "pyproject.toml")
    if declared:
        return Requirements(pins=declared)
    names = sorted(set(imports))
    installed = _installed(names)
    pins = {f"{name}=={version.partition('+')[0]}" for name, version in installed.values()}
    missing = tuple(name for name in names if name not in installed)
    return Requirements(pins=tuple(sorted(pins)), missing=missing)


def _of_the_project(path: Path) -> tuple[str, ...]:
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project")
    except (OSError, ValueError):
        return ()  # who edits the file says what is wrong with it
    declared = project.get("dependencies") if isinstance(project, dict) else None
    if not isinstance(declared, list):
        return ()
    return tuple(each for each in declared if isinstance(each, str))


def _installed(names: list[str]) -> dict[str, tuple[str, str]]:
    """Import name → distribution and version: of this environment, else of that of the shell."""
    found: dict[str, tuple[str, str]] = {}
    for python in dict.fromkeys((sys.executable, *map(shutil.which, ("python", "python3")))):
        left = [name for name in names if name not in found]
        if python and left:
            found |= _seen_by(python, left)
    return found


def _seen_by(python: str, names: list[str]) -> Mapping[str, tuple[str, str]]:
    """What an interpreter has installed; it imports none of it."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", _LOOK],
            input=json.dumps(names),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}  # it is too old, or broken: it has nothing for us
    return {name: (distribution, version) for name, (distribution, version) in answer.items()}
