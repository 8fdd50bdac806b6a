"""Which catalogue: the one that a job names, or none.

```toml
[tool.goap]
catalogue = "job:CATALOGUE"     # in the nearest pyproject.toml that has this table
```

or ``GOAP_CATALOGUE=job:CATALOGUE``. The module is imported with the folder of the pyproject.toml
(of the variable: the working directory) first on ``sys.path``.
"""

import contextlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, runtime_checkable

from agents.declare.catalogue import Catalogue
from agents.declare.project import CATALOGUE, said_of
from agents.errors import UsageError, nearest
from agents.ledger.redaction import redact

__all__ = ["TRACEBACK_VARIABLE", "VARIABLE", "Choice", "chosen", "load"]

VARIABLE = "GOAP_CATALOGUE"
TRACEBACK_VARIABLE = "GOAP_TRACEBACK"
"""Set, it shows the whole traceback of a job that cannot be imported."""

_PLACED = re.compile(r"\S[^:]*:\d+: ")
_PROGRAM = Path(__file__).parents[1]
EXAMPLE = f'{CATALOGUE} = "job:CATALOGUE"'


@dataclass(frozen=True)
class Choice:
    """Where a catalogue is declared.

    Attributes:
        module: The module's name.
        attribute: The name of the catalogue in it.
        folder: What the module is imported from.
        source: Who says so: ``FILE:LINE``, or the variable.
    """

    module: str
    attribute: str
    folder: Path
    source: str

    @property
    def path(self) -> Path:
        """The file that the module is expected to be."""
        return self.folder.joinpath(*self.module.split(".")).with_suffix(".py")


@runtime_checkable
class _Explained(Protocol):
    """An error, ours or of whatever a job imports, that says what happened and what helps."""

    message: str
    fix: str


def chosen(
    start: Path, environment: Mapping[str, str], reserved: Collection[str] = ()
) -> Choice | None:
    """The catalogue that is chosen in a folder; None where nothing chooses one.

    Args:
        start: The working directory; its pyproject.toml is looked for first, then its parents'.
        environment: Holds the variable that chooses where no pyproject.toml does.
        reserved: Top-level packages of this program, which a job's module cannot be called.

    Raises:
        UsageError: What chooses it makes no sense; the message has file and line.
    """
    said = said_of(CATALOGUE, start)
    choice = None if said is None else _parsed(said.value, said.path.parent, said.source)
    if choice is None and (text := environment.get(VARIABLE, "")):
        choice = _parsed(text, start, f"{VARIABLE}={text}")
    if choice is not None and (name := choice.module.partition(".")[0]) in reserved:
        raise UsageError(
            f"{choice.source}: {name} is a package of this program; a job cannot be called that",
            fix=f"rename the module of the job, for example to job.py, and write {EXAMPLE}",
        )
    return choice


def load(choice: Choice) -> Catalogue:
    """Import the module and return its catalogue.

    Raises:
        UsageError: There is no such module or name, it is no catalogue, or importing it fails;
            the message names file and line.
    """
    folder = str(choice.folder)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    module = _imported(choice)
    where = _shown(Path(module.__file__)) if module.__file__ else choice.module
    try:
        catalogue = getattr(module, choice.attribute)
    except AttributeError:
        named = [name for name, value in vars(module).items() if isinstance(value, Catalogue)]
        hint = f"; did you mean {named[0]!r}?" if named else nearest(choice.attribute, vars(module))
        raise UsageError(
            f"{choice.source}: {where} has no {choice.attribute}{hint}",
            fix=f"write {choice.attribute} = Catalogue(…) there, or change {choice.source}",
        ) from None
    if not isinstance(catalogue, Catalogue):
        raise UsageError(
            f"{where}: {choice.attribute} is a {type(catalogue).__name__}, not a Catalogue",
            fix=f"{choice.attribute} = Catalogue(facts, sensors, actions, goals)",
        )
    return catalogue


def _parsed(text: str, folder: Path, source: str) -> Choice:
    module, _, attribute = text.partition(":")
    words = [*module.split("."), attribute]
    if not all(word.isidentifier() for word in words):
        raise UsageError(
            f"{source}: {text!r} is not of the form MODULE:NAME", fix=f"write {EXAMPLE}"
        )
    return Choice(module, attribute, folder, source)


def _imported(choice: Choice) -> ModuleType:
    try:
        # what a job prints is for people; stdout holds one JSON document, or nothing
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(choice.module)
    except ModuleNotFoundError as error:
        if error.name and f"{choice.module}.".startswith(f"{error.name}."):
            raise UsageError(
                f"{choice.source}: there is no module {error.name!r} in {choice.folder}",
                fix=f"write {_shown(choice.path)}, or change {choice.source}",
            ) from None
        raise _at_import(choice, error) from error
    except (Exception, SystemExit) as error:
        raise _at_import(choice, error) from error


def _at_import(choice: Choice, error: BaseException) -> UsageError:
    """What a job says that cannot be imported: the job's own line, and no traceback of ours."""
    if os.environ.get(TRACEBACK_VARIABLE):
        print(redact("".join(traceback.format_exception(error))), file=sys.stderr)
    where = _own_line(choice, error)
    if isinstance(error, _Explained):
        # what has a place already knows it better: the line of an argument, not of the call
        placed = _PLACED.match(error.message)
        message = error.message if placed else f"{where}: {error.message}"
        return UsageError(message, fix=error.fix or f"change {where}")
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return UsageError(
        f"{where}: {what}", fix=f"change {where}; {TRACEBACK_VARIABLE}=1 shows the whole traceback"
    )


def _own_line(choice: Choice, error: BaseException) -> str:
    """``FILE:LINE`` of the innermost line that belongs to the job."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_shown(Path(error.filename))}:{error.lineno or 1}"
    lines = [
        f"{_shown(path)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if (path := Path(frame.filename)).is_relative_to(choice.folder)
        # an environment often lies in the job's folder, and a job may lie beside this program
        and not any(path.is_relative_to(each) for each in (sys.prefix, _PROGRAM))
    ]
    return lines[-1] if lines else choice.source


def _shown(path: Path) -> str:
    """A path as short as it can be read from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
