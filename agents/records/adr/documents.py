"""Reading ADRs of any style; nothing here writes.

Understood: ``**Status:** …`` lines (with or without list marks, colon inside or outside the
stars), a ``## Status`` section, and YAML front matter as MADR uses it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from agents.errors import ActionFailed
from agents.records.places import ADR_FOLDER
from agents.records.text.reading import read_text
from agents.records.text.regions import Parsed, parse

__all__ = ["AdrDocument", "adr_number", "plain_status", "read_adrs", "read_document"]


_FILE = re.compile(
    # without the word ADR only three or four digits count, and a date does not
    r"^(?:ADR[-_ ]0*(\d{1,5})|(?!\d{4}-\d\d-\d\d)(\d{3,4}))[-_ ].*\.md$",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^\s*(?:[-*]\s+)?\*{0,2}([A-Za-z][\w -]{1,30}?)(?::\*\*|\*\*:|:)\s*(.*?)\s*$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_TITLE = re.compile(
    r"^(?:ADR[-_ ]?0*(\d+)|0*(\d+)[.:])\s*[:.\u2013\u2014-]?\s*(.*)$", re.IGNORECASE
)
_SUPERSEDED = re.compile(r"super[sc]eded\s+by\b[: ]*(.*)", re.IGNORECASE)
_SUPERSEDES = re.compile(r"\bsuper[sc]edes\b[: ]*(.*)", re.IGNORECASE)
_REFERENCE = re.compile(
    r"\[?(?:ADR[-_ ]?0*(\d{1,5})(?:-[\w.-]+)?|0*(\d{1,5})-[\w.-]+\.md|0*(\d{1,5})\. [^\]]*)"
    r"\]?(?:\([^)]*\))?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"(?:[\s,&*_:]|and\b|\([^)]*\))+", re.IGNORECASE)
_RELATION_SECTIONS = ("status", "related", "related decisions", "links")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class AdrDocument:
    """One ADR as it is on disk.

    Attributes:
        path: Relative to the repository, with forward slashes.
        number: From the file name.
        heading_number: From the first heading; None where it names none.
        supersedes: Numbers this ADR says it replaces.
        superseded_by: Numbers it says it was replaced by.
        problem: Why the file could not be read; empty when it was.
    """

    path: str
    text: str
    number: int
    heading_number: int | None
    title: str
    status: str
    date: str
    supersedes: tuple[int, ...]
    superseded_by: tuple[int, ...]
    problem: str = ""

    @property
    def regions(self) -> Parsed:
        """The generated regions of the file."""
        return parse(self.text)

    @property
    def key(self) -> str:
        """The decision key of a generated ADR; empty for one that a person wrote."""
        header = self.regions.get("header")
        return header.attribute("key") if header else ""

    @property
    def label(self) -> str:
        """``ADR-007``."""
        return f"ADR-{self.number:03d}"


def adr_number(name: str) -> int | None:
    """The number in the file name of an ADR; None where it is not the name of one."""
    match = _FILE.match(PurePosixPath(name).name)
    return int(match[1] or match[2]) if match else None


def read_adrs(repo: Path, changed: Mapping[str, str] | None = None) -> list[AdrDocument]:
    """All ADRs of a repository by number and name, as they are or with ``changed`` texts."""
    changed = changed or {}
    folder = repo / ADR_FOLDER
    names = [path.name for path in folder.glob("*.md")] if folder.is_dir() else []
    there = {f"{ADR_FOLDER}/{name}" for name in names}
    documents = [
        read_document(path, changed[path]) if path in changed else _read(repo, path)
        for path in sorted(there | set(changed))
        if adr_number(path) is not None and path.startswith(f"{ADR_FOLDER}/")
    ]
    return sorted(documents, key=lambda each: (each.number, each.path))


def _read(repo: Path, path: str) -> AdrDocument:
    """One ADR from disk; one that cannot be read still has its number."""
    try:
        return read_document(path, read_text(repo / path))
    except ActionFailed as failed:
        return replace(read_document(path, ""), problem=failed.message)


def read_document(path: str, text: str) -> AdrDocument:
    """The parts of an ADR: title, status, date, and what replaces what."""
    lines = list(_outside_fences(text.splitlines()))
    heading_number, title = _title(lines)
    fields = _fields(lines)
    status = fields.get("status", "") or _section(lines, "status")
    relations = [status, *_relation_lines(lines)]
    date = _DATE.search(fields.get("date", "") or _section(lines, "date"))
    return AdrDocument(
        path=path,
        text=text,
        number=adr_number(path) or 0,
        heading_number=heading_number,
        title=title,
        status=status,
        date=date[0] if date else "",
        supersedes=_numbers(_SUPERSEDES, relations),
        superseded_by=_numbers(_SUPERSEDED, relations),
    )


def plain_status(status: str) -> str:
    """A status without the target of its link.

    >>> plain_status("Superseded by [ADR-002](ADR-002-x.md)")
    'Superseded by ADR-002'
    """
    head, bracket, rest = status.partition("[")
    label, closed, tail = rest.partition("](")
    return f"{head}{label}{tail.partition(')')[2]}" if bracket and closed else status


def _outside_fences(lines: Iterable[str]) -> Iterable[str]:
    fence = ""
    for line in lines:
        mark = line.lstrip()[:3]
        if fence:
            fence = "" if mark == fence else fence
        elif mark in ("```", "~~~"):
            fence = mark
        elif not line.startswith("<!--"):
            yield line


def _title(lines: list[str]) -> tuple[int | None, str]:
    for line in lines:
        heading = _HEADING.match(line)
        if heading and len(heading[1]) == 1:
            numbered = _TITLE.match(heading[2])
            if numbered is None:
                return None, heading[2]
            return int(numbered[1] or numbered[2]), numbered[3]
    return None, ""


def _fields(lines: list[str]) -> dict[str, str]:
    """Metadata before the first section: ``name: value`` lines of the known styles."""
    fields: dict[str, str] = {}
    for line in lines:
        heading = _HEADING.match(line)
        if heading and len(heading[1]) > 1:
            break
        field = _FIELD.match(line)
        if field:
            fields.setdefault(field[1].lower(), field[2].strip("\"'"))
    return fields


def _section(lines: list[str], name: str) -> str:
    """The first line of text in the section of that name."""
    inside = False
    for line in lines:
        heading = _HEADING.match(line)
        if heading:
            inside = heading[2].lower().rstrip(":") == name
        elif inside and line.strip():
            return line.strip().strip("*_ ")
    return ""


def _relation_lines(lines: list[str]) -> list[str]:
    """Lines that may say what supersedes what: metadata, and sections made for it."""
    said = []
    inside = True
    for line in lines:
        heading = _HEADING.match(line)
        if heading:
            words = heading[2].lower()
            inside = len(heading[1]) == 1 or words in _RELATION_SECTIONS
        elif inside:
            said.append(line)
    return said


def _numbers(relation: re.Pattern[str], lines: Iterable[str]) -> tuple[int, ...]:
    numbers: list[int] = []
    for line in lines:
        for match in relation.finditer(line):
            numbers.extend(_listed(match[1]))
    return tuple(dict.fromkeys(numbers))


def _listed(text: str) -> Iterator[int]:
    """The ADRs of the list ``text`` begins with; what follows the list is about something else."""
    place = 0
    while place < len(text):
        gap = _BETWEEN.match(text, place)
        place = gap.end() if gap else place
        reference = _REFERENCE.match(text, place)
        if reference is None:
            return
        yield int(reference[1] or reference[2] or reference[3])
        place = reference.end()
