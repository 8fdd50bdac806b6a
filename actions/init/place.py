"""Where a job is begun: files that are made, lines that are added, nothing that is overwritten."""

import json
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.errors import UsageError

__all__ = ["CATALOGUE", "Piece", "ignoring", "naming", "write"]

CATALOGUE = "job:CATALOGUE"
IGNORED = ".goap/"


@dataclass(frozen=True)
class Piece:
    """One file that is written.

    Attributes:
        name: Relative to the folder of the job.
        content: What is written; of a file that is there already, what is added at its end.
        added: Whether it is there already.
    """

    name: str
    content: bytes
    added: bool = False


def naming(folder: Path) -> Piece:
    """What makes pyproject.toml name the job's catalogue.

    Raises:
        UsageError: It names one already, or cannot be understood.
    """
    path = folder / "pyproject.toml"
    table = f"[tool.goap]\ncatalogue = {json.dumps(CATALOGUE)}\n"
    before = _read(path)
    if before is None:
        return Piece(path.name, table.encode())
    known = _parsed(path, before)
    tool = known.get("tool", {})
    if isinstance(tool, dict) and "goap" in tool:
        raise UsageError(
            f"{path} has [tool.goap] already: {json.dumps(tool['goap'])}",
            fix="declare the training in that catalogue, or remove these lines",
        )
    end = b"\r\n" if b"\r\n" in before else b"\n"
    space = b"" if not before else end if before.endswith(b"\n") else end * 2
    added = space + end.join(table.encode().split(b"\n"))
    after = _parsed(path, before + added)  # as a table that is written in one line would refuse it
    if after != {**known, "tool": {**tool, "goap": {"catalogue": CATALOGUE}}}:
        raise UsageError(f"{path} has a form that nothing can be added to", fix=f"add {table}")
    return Piece(path.name, added, added=True)


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"{path} is not TOML, or cannot take [tool.goap]: {error}", fix=f"mend {path}"
        ) from None


def ignoring(folder: Path) -> Piece | None:
    """What makes git ignore the state directory; None when it does."""
    path = folder / ".gitignore"
    before = _read(path)
    if before is None:
        return Piece(path.name, f"{IGNORED}\n".encode())
    lines = {line.strip().strip(b"/") for line in before.splitlines()}
    if IGNORED.strip("/").encode() in lines:
        return None
    end = b"\r\n" if b"\r\n" in before else b"\n"
    space = b"" if not before or before.endswith(b"\n") else end
    return Piece(path.name, space + IGNORED.encode() + end, added=True)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", fix=f"ls -l {path}") from None


def write(folder: Path, pieces: Iterable[Piece]) -> None:
    """Write all of them, or none that is new.

    Raises:
        UsageError: One that is to be made is there already, or the folder cannot be written to.
    """
    pieces = list(pieces)
    for piece in pieces:
        if not piece.added and os.path.lexists(folder / piece.name):
            raise UsageError(
                f"{piece.name} is there already, and nothing was written",
                fix=f"move it away: mv {piece.name} {piece.name}.old",
            )
    made: list[Path] = []
    try:
        for piece in sorted(
            pieces, key=lambda piece: piece.added
        ):  # what can be undone comes first
            path = folder / piece.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab" if piece.added else "xb") as file:
                made += [] if piece.added else [path]
                file.write(piece.content)
    except OSError as error:
        for path in made:
            path.unlink()
        raise UsageError(
            f"{error.filename or folder} cannot be written: {error.strerror}",
            fix=f"ls -ld {folder}",
        ) from None
