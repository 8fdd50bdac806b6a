"""Which interpreter of this machine runs a declared script: the first that holds what it requires.

Asked in this order: the variable `VARIABLE`, the interpreter of this program, ``python`` and
``python3`` on the path. Nothing is installed here; what is missing is said, with the command.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.errors import IMAGE_INCOMPLETE, ImageError

__all__ = ["VARIABLE", "Interpreter", "candidates", "interpreter_for"]

VARIABLE = "GOAP_PYTHON"
PATIENCE_SECONDS = 60.0
"""How long an interpreter may take to say what is installed for it."""

# Runs in the interpreter that is asked, which may be older than ours and hold next to nothing.
_PROGRAM = """
import importlib.metadata as metadata, json, platform, re, sys
try:
    from packaging.requirements import Requirement
except ImportError:
    try:
        from pip._vendor.packaging.requirements import Requirement
    except ImportError:
        Requirement = None
def held(text):
    if Requirement is None:
        name, _, pin = re.split(r";", text)[0].partition("==")
        asked = re.split(r"[\\s\\[<>=!~@]", name.strip())[0]
        version = metadata.version(asked)
        # "2.13.0+cpu" is 2.13.0, built for another processor
        fits = not pin.strip() or pin.strip() in (version, version.partition("+")[0])
        return asked, version, fits
    wanted = Requirement(text)
    if wanted.marker is not None and not wanted.marker.evaluate():
        return wanted.name, "", True
    version = metadata.version(wanted.name)
    return wanted.name, version, wanted.specifier.contains(version, prereleases=True)
versions, missing = {}, []
for text in json.loads(sys.argv[1]):
    try:
        name, version, fits = held(text)
    except metadata.PackageNotFoundError:
        missing.append(text)
        continue
    if not fits:
        missing.append("%s (%s is installed)" % (text, version))
    elif version:
        versions[name] = version
print(json.dumps({"python": platform.python_version(), "versions": versions, "missing": missing}))
"""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that holds what a recipe requires.

    Attributes:
        path: Where it is.
        python: Its version.
        versions: What it holds of the requirements, by name.
    """

    path: str
    python: str
    versions: Mapping[str, str]


def candidates(environment: Mapping[str, str]) -> Iterator[str]:
    """Paths of the interpreters that there are, in the order they are asked, each once."""
    path = environment.get("PATH", os.defpath)
    named = (environment.get(VARIABLE, ""), sys.executable, "python", "python3")
    there = (shutil.which(name, path=path) for name in named if name)
    yield from dict.fromkeys(str(Path(each).absolute()) for each in there if each)


def interpreter_for(
    requirements: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Interpreter:
    """The first interpreter that holds all requirements.

    Raises:
        ImageError: None does; the fix installs what is missing into the first.
    """
    asked = list(candidates(environment))
    lacking: list[tuple[str, list[str]]] = []
    for path in asked:
        answer = _asked(path, tuple(requirements))
        if answer is None:
            continue
        found, missing = answer
        if not missing:
            return found
        lacking.append((path, missing))
    if not lacking:
        raise ImageError(
            f"there is no Python that works: {', '.join(asked) or 'none was found'}",
            fix=f"export {VARIABLE}=/path/to/python",
            code="no_interpreter",
        )
    path, missing = lacking[0]
    others = f", nor any of {', '.join(each for each, _ in lacking[1:])}" if lacking[1:] else ""
    pins = " ".join(f"'{each.partition(' (')[0]}'" for each in missing)
    raise ImageError(
        f"{path} does not hold {', '.join(missing)}{others}",
        fix=f"{path} -m pip install {pins}; or export {VARIABLE}= an interpreter that has them",
        code=IMAGE_INCOMPLETE,
    )


def _asked(path: str, requirements: tuple[str, ...]) -> tuple[Interpreter, list[str]] | None:
    """An interpreter and what it lacks; None where it does not answer."""
    command = [path, "-c", _PROGRAM, json.dumps(requirements)]
    try:
        said = subprocess.run(
            command,
            # what lies where we stand is none of what is installed
            cwd=os.path.sep,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=PATIENCE_SECONDS,
            # Ctrl-C in a terminal goes to everybody in the session: it is for us alone
            start_new_session=True,
        ).stdout
        answer = json.loads(said.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return Interpreter(path, answer["python"], answer["versions"]), answer["missing"]
