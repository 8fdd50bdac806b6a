"""What a training requires, as pins: a list, a requirements.txt, or a uv.lock.

Everything is pinned. The key says what a training is made of, and "torch" is another thing
tomorrow: the same key would then stand for two trainings, one of which is never made. So what has
no version is refused when it is declared, and the error names the version that is installed here.
"""

import importlib.metadata
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.errors import ConfigError

__all__ = ["RequirementError", "pins_of"]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_LINE: Final = re.compile(
    rf"(?P<name>{_NAME})\s*(?:\[(?P<extras>[^\]]*)\])?\s*"
    r"(?:@\s*(?P<address>\S+)|(?P<versions>(?:[<>=!~][^;@]*?)?))\s*(?:;\s*(?P<marker>.+))?"
)
_PIN: Final = re.compile(r"={2,3}\s*(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)")
_FIXED: Final = re.compile(r"(?:#|&)sha256=[0-9a-f]{64}\b|@[0-9a-f]{40}(?:$|#)")
_HASH: Final = re.compile(r"\s--hash[= ]\S+")
_OTHER: Final = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?<=-[rc]))(?P<name>\S+)")
_FILES: Final = (".txt", ".lock", ".in", ".toml")


class RequirementError(ConfigError, code="requirement"):
    """A requirement cannot be understood, or is not pinned."""


@dataclass(frozen=True)
class _Line:
    """A requirement as it was written, and where: empty in a list of a declaration."""

    text: str
    place: str = ""

    def error(self, message: str, fix: str) -> RequirementError:
        return RequirementError(f"{self.place}: {message}" if self.place else message, fix=fix)


def pins_of(root: Path, requirements: str | Sequence[str]) -> tuple[str, ...]:
    """Every requirement in one spelling, sorted: ``torch==2.13.0``.

    Args:
        root: The folder that names of files are relative to.
        requirements: The name of a file; or pins, and names of files among them.

    Raises:
        RequirementError: One cannot be understood, or is not pinned; a file's with its line.
    """
    entries = (requirements,) if isinstance(requirements, str) else tuple(requirements)
    pins: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, str):
            raise RequirementError(
                f"{entry!r} is no text", fix='write it as a text: "torch==2.13.0"'
            )
        for line, pin in _pins_of(root, entry.strip()):
            _add(pins, pin, line)
    return tuple(sorted(set(pins.values())))


def _pins_of(root: Path, entry: str) -> Iterator[tuple[_Line, str]]:
    if not entry.endswith(_FILES):
        line = _Line(entry)
        yield line, _pin(line, {})
        return
    path = root / entry
    if path.suffix == ".toml" or not path.is_file():
        raise RequirementError(
            f"there is no {entry!r} in {root}"
            if path.suffix != ".toml"
            else f"{entry} says what is wanted, not which versions",
            fix="name a requirements.txt or a uv.lock, or write the pins here",
        )
    if path.suffix == ".lock":
        from training.declare.uv_lock import locked  # noqa: PLC0415 - parses TOML

        for pin in locked(path):
            yield _Line(pin, entry), pin
        return
    lines = list(_lines_of(path, ()))
    constraints = {
        _normal(match["name"]): line.text
        for line, is_constraint in lines
        if is_constraint and (match := _LINE.fullmatch(line.text))
    }
    for line, is_constraint in lines:
        if not is_constraint:
            yield line, _pin(line, constraints)


def _add(pins: dict[str, str], pin: str, line: _Line) -> None:
    """Refuse two versions of one thing; with different markers they may be right."""
    name = re.split(r"[\[=@; ]", pin, maxsplit=1)[0] + pin.partition(" ; ")[2]
    if pins.setdefault(name, pin) != pin:
        raise line.error(
            f"{pin} and {pins[name]} cannot both be installed", "leave one of them out"
        )


def _lines_of(path: Path, within: tuple[Path, ...]) -> Iterator[tuple[_Line, bool]]:
    """The requirements in a file and in those it names, each with whether it only constrains."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequirementError(f"{path} cannot be read: {error}", fix=f"mend {path}") from None
    for number, content in _joined(text):
        line = _Line(content, f"{path}:{number}")
        if not content.startswith("-"):
            yield line, False
            continue
        other = _OTHER.fullmatch(content)
        if other is None:
            raise line.error(f"{content!r} cannot be part of a key", _instead(content))
        named = path.parent / other["name"]
        if named in (path, *within):
            raise line.error(f"{other['name']} names itself", "leave the line out")
        if not named.is_file():
            raise line.error(f"there is no {other['name']}", "correct the name")
        only_constrains = content.startswith(("-c", "--constraint"))
        for each, constrains in _lines_of(named, (path, *within)):
            yield each, constrains or only_constrains


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those joined that end with a backslash; each with its number."""
    start, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        start = start if parts else number
        content = re.sub(r"(?:^|\s)#.*$", "", line)
        if content.rstrip().endswith("\\"):
            parts.append(content.rstrip()[:-1])
            continue
        whole = " ".join([*parts, content]).strip()
        parts = []
        if whole:
            yield start, whole
    if whole := " ".join(parts).strip():
        yield start, whole


def _instead(option: str) -> str:
    if option.startswith(("-e", "--editable")):
        return "leave it out, and name what is in that folder in source="
    if "index" in option or option.startswith(("-f", "--find-links", "-i")):
        return (
            "leave it out, and pin what comes from there by its address and hash: "
            "NAME @ https://…/NAME-VERSION.whl#sha256=…"
        )
    return "leave it out"


def _pin(line: _Line, constraints: dict[str, str]) -> str:
    """A requirement in its one spelling.

    Args:
        line: As it was written.
        constraints: Name → the requirement that says its version.
    """
    # a hash says which file of a version; it is that version whichever it is
    text = _HASH.sub("", f" {line.text}").strip()
    match = _LINE.fullmatch(text)
    if match is None:
        raise line.error(f"{line.text!r} is no requirement", _as_path(text))
    name = _normal(match["name"])
    extras = ",".join(sorted(_normal(each) for each in (match["extras"] or "").split(",") if each))
    marker = f" ; {_marker(match['marker'])}" if match["marker"] else ""
    stem = f"{name}[{extras}]" if extras else name
    if match["address"]:
        if not _FIXED.search(match["address"]):
            raise line.error(
                f"{name} is not pinned: what is at {match['address']} may change",
                f"write {name} @ …#sha256=… for a file, or …@ the whole commit for a repository",
            )
        return f"{stem} @ {match['address']}{marker}"
    return f"{stem}=={_version(line, name, match['versions'], constraints)}{marker}"


def _version(line: _Line, name: str, versions: str | None, constraints: dict[str, str]) -> str:
    pin = _PIN.fullmatch((versions or "").strip())
    if pin is not None:
        return pin["version"]
    constraint = _LINE.fullmatch(constraints.get(name, ""))
    pin = _PIN.fullmatch((constraint["versions"] or "").strip()) if constraint else None
    if pin is not None:
        return pin["version"]
    raise line.error(
        f"{line.text!r} is not pinned, and another version would be another training",
        f'write "{name}=={_installed(name)}"',
    )


def _installed(name: str) -> str:
    """The version that is installed here; else a gap to fill in."""
    try:
        # "2.13.0+cpu" is 2.13.0, built for another processor
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return "VERSION"


def _as_path(text: str) -> str:
    if "/" in text or text.startswith("."):
        return "what lies in a folder here is named in source="
    return 'write NAME==VERSION, such as "torch==2.13.0"'


def _marker(text: str) -> str:
    """A condition in one spelling."""
    return re.sub(r"\s+", " ", text.strip()).replace("'", '"')


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
