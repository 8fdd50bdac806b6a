"""Where a declaration stands, so that what is wrong in it is said by file and line."""

import ast
import dataclasses
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType

from training.errors import ConfigError

__all__ = ["DeclarationError", "Place", "place_of_caller", "similar"]


class DeclarationError(ConfigError, code="declaration"):
    """A declaration makes no sense: file and line, what is wrong there, and what to write."""


@dataclass(frozen=True)
class Place:
    """A call in a file.

    Attributes:
        path: The file; not there when the call was typed into an interpreter.
        line: Where the call begins.
        end_line: Where it ends.
    """

    path: Path
    line: int
    end_line: int

    @property
    def folder(self) -> Path:
        """What names in the declaration are relative to."""
        return self.path.parent if self.path.is_file() else Path.cwd()

    def __str__(self) -> str:
        return f"{_shown(self.path)}:{self.line}"

    def of(self, argument: str = "") -> str:
        """``FILE:LINE`` of an argument of the call; of the call where it is not written there."""
        line = _line_of(self, argument) if argument else None
        return f"{_shown(self.path)}:{line or self.line}"

    def error(self, argument: str, message: str, fix: str) -> DeclarationError:
        """What is wrong with an argument of the call.

        Args:
            argument: Its name; the line is that of it. Empty: of the call itself.
            message: What is wrong.
            fix: What to write.
        """
        return DeclarationError(f"{self.of(argument)}: {message}", fix=fix)


def place_of_caller(*modules: str) -> Place:
    """The innermost call that comes from none of these modules, nor from `dataclasses`.

    Args:
        modules: Names of the modules that a declaration goes through.
    """
    frame: FrameType | None = sys._getframe(1)
    passed = {__name__, dataclasses.__name__, *modules}
    while frame is not None and frame.f_back is not None:
        # the methods that a dataclass is given stand in no file
        if frame.f_globals.get("__name__") not in passed and frame.f_code.co_filename != "<string>":
            break
        frame = frame.f_back
    if frame is None:  # pragma: no cover - there is always a frame
        return Place(Path("<unknown>"), 1, 1)
    line, end_line = _lines(frame.f_code, frame.f_lasti)
    return Place(
        Path(frame.f_code.co_filename).absolute(),
        line or frame.f_lineno,
        end_line or frame.f_lineno,
    )


def similar(name: str, names: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the closest of names, or nothing."""
    import difflib  # noqa: PLC0415 - only when a name is wrong

    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _lines(code: CodeType, instruction: int) -> tuple[int | None, int | None]:
    """The first and the last line of what an instruction was compiled from."""
    position = next(islice(code.co_positions(), instruction // 2, None), None)
    return (None, None) if position is None else position[:2]


def _line_of(place: Place, argument: str) -> int | None:
    """The line of an argument of a call, where it can be found."""
    try:
        tree = ast.parse(place.path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (node.lineno, node.end_lineno) == (
            place.line,
            place.end_line,
        ):
            return next((each.value.lineno for each in node.keywords if each.arg == argument), None)
    return None


def _shown(path: Path) -> str:
    """A path as short as it can be read from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
