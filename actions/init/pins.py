"""What a script needs installed: said by a file beside it, else guessed from its imports."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.declare.requirements import RequirementError, pins_of

__all__ = ["Requirements", "requirements_of"]

_LOOK = """
import importlib.metadata as m, json, sys
names, found = json.load(sys.stdin), {}
owners = m.packages_distributions() if names["imports"] else {}
asked = [(n, (owners.get(n) or [""])[0]) for n in names["imports"]]
for name, distribution in [*asked, *((n, n) for n in names["distributions"])]:
    try:
        found[name] = [distribution, m.version(distribution)]
    except (m.PackageNotFoundError, ValueError):
        pass
print(json.dumps(found))
"""

_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*(?P<rest>.*)"
)


@dataclass(frozen=True)
class Requirements:
    """What is written as ``requirements=``.

    Attributes:
        file: The file that says it; empty when the pins are listed.
        pins: ``name==version`` each, or as the project declares them.
        missing: What is installed nowhere here, so that no version is known.
    """

    file: str = ""
    pins: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def requirements_of(folder: Path, imports: Iterable[str]) -> Requirements:
    """What a script needs: as uv.lock, requirements.txt or the project says, else its imports.

    A declaration takes pins alone. Where a file says no version, it is the one installed here.

    Args:
        folder: Of the job.
        imports: Top-level names that the script imports.
    """
    if (folder / "uv.lock").is_file():
        return Requirements(file="uv.lock")
    if (folder / "requirements.txt").is_file():
        return _of_the_file(folder, "requirements.txt")
    declared = _of_the_project(folder / "pyproject.toml")
    if declared:
        return _pinned(declared)
    names = sorted(set(imports))
    installed = _installed({"imports": names, "distributions": []})
    pins = {_pin(*found) for found in installed.values()}
    missing = tuple(name for name in names if name not in installed)
    return Requirements(pins=tuple(sorted(pins)), missing=missing)


def _of_the_file(folder: Path, name: str) -> Requirements:
    """The file itself, when all in it is pinned; else its lines with what is installed here."""
    try:
        pins_of(folder, name)
    except RequirementError:
        text = (folder / name).read_text(encoding="utf-8", errors="replace")
        lines = [line.partition("#")[0].strip() for line in text.splitlines()]
        if not any(line.startswith("-") for line in lines):
            return _pinned([line for line in lines if line])
    return Requirements(file=name)  # what is wrong with it is said when job.py is imported


def _pinned(declared: Sequence[str]) -> Requirements:
    """Requirements with the versions that are installed here, where they say none."""
    matches = {line: _REQUIREMENT.fullmatch(line) for line in declared}
    loose = {line: match for line, match in matches.items() if match and "==" not in match["rest"]}
    names = [match["name"] for match in loose.values()]
    installed = _installed({"imports": [], "distributions": names})
    pins, missing = [], []
    for line in declared:
        match = loose.get(line)
        if match is None:
            pins.append(line)
        elif match["name"] in installed:
            pins.append(_pin(match["name"] + (match["extras"] or ""), installed[match["name"]][1]))
        else:
            missing.append(line)
    return Requirements(pins=tuple(pins), missing=tuple(missing))


def _pin(name: str, version: str) -> str:
    """A build of ``2.9.0+cpu`` is known to this machine alone."""
    return f"{name}=={version.partition('+')[0]}"


def _of_the_project(path: Path) -> tuple[str, ...]:
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project")
    except (OSError, ValueError):
        return ()  # who edits the file says what is wrong with it
    declared = project.get("dependencies") if isinstance(project, dict) else None
    if not isinstance(declared, list):
        return ()
    return tuple(each for each in declared if isinstance(each, str))


def _installed(asked: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, str]]:
    """Name → distribution and version: of this environment, else of that of the shell."""
    found: dict[str, tuple[str, str]] = {}
    for python in dict.fromkeys((sys.executable, *map(shutil.which, ("python", "python3")))):
        left = {kind: [n for n in names if n not in found] for kind, names in asked.items()}
        if python and any(left.values()):
            found |= _seen_by(python, left)
    return found


def _seen_by(python: str, asked: Mapping[str, Sequence[str]]) -> Mapping[str, tuple[str, str]]:
    """What an interpreter has installed; it imports none of it."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", _LOOK],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}  # it is too old, or broken: it has nothing for us
    return {name: (distribution, version) for name, (distribution, version) in answer.items()}
