"""`agents-docs/learnings.md`: one entry per fingerprint, newest first under `## Key Learnings`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from agents.records.adr.numbering import numbering_lock
from agents.records.evidence.models import Learning
from agents.records.places import ARCHIVE_PATH, LEARNINGS_PATH
from agents.records.text.by_source import by_source
from agents.records.text.gate_rows import gate_rows
from agents.records.text.markdown import Safe, code, text
from agents.records.text.merge import Merger
from agents.records.text.reading import read_text, write_file
from agents.records.text.regions import Region, parse
from agents.records.text.render import render

__all__ = [
    "NEW_ARCHIVE",
    "NEW_FILE",
    "LearningEntry",
    "archive_learnings",
    "compose_learnings",
    "learning_body",
    "list_learnings",
    "month",
]

HEADING = "## Key Learnings"
NEW_FILE = f"# Learnings\n\n{HEADING}\n"
NEW_ARCHIVE = f"# Archived learnings\n\n{HEADING}\n"

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_HEADING = re.compile(r"^### +([^\r\n]*?) *\r?$", re.MULTILINE)
_DATE = re.compile(r"\*\*Date(?::\*\*|\*\*:) *(\d{4}-\d{2}-\d{2})")
_OCCURRENCE = re.compile(r"^- .*<!-- (?P<event>[\w.-]+) -->$")


@dataclass(frozen=True)
class LearningEntry:
    """One entry of a learnings file.

    Attributes:
        title: As its heading says.
        date: From its ``Date`` line; empty where there is none.
        generated: Whether it comes from a ledger.
        seen: How often it was seen; 1 for entries of people.
        last_seen: Day it was seen last; the date for entries of people.
        fingerprint: Identity of a generated entry; empty for entries of people.
    """

    title: str
    date: str
    generated: bool
    seen: int
    last_seen: str
    fingerprint: str


def list_learnings(repo: Path) -> list[LearningEntry]:
    """All entries in the order of the file: ``python -m agents learnings list``."""
    file = repo / LEARNINGS_PATH
    if not file.is_file():
        return []
    text, entries = read_text(file), list[LearningEntry]()
    parsed = parse(text)
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    for heading, end in zip(headings, ends, strict=False):
        owner = next(
            (each for each in parsed.regions if each.start < heading.start() < each.end), None
        )
        dated = _DATE.search(text, heading.end(), end)
        date_ = dated[1] if dated else ""
        if owner is None:
            entries.append(LearningEntry(heading[1], date_, False, 1, date_, ""))
        elif owner.name.startswith("learning/"):
            fingerprint = owner.name.partition("/")[2]
            days = _days(parsed.get(f"seen/{fingerprint}"))
            last = days[-1] if days else date_
            entries.append(LearningEntry(heading[1], date_, True, len(days), last, fingerprint))
    return entries


def archive_learnings(repo: Path, *, before: date) -> list[LearningEntry]:
    """Move generated entries last seen before a day to the archive file.

    ``python -m agents learnings archive before=2026-01-01``. An entry that is seen again is
    counted on in the archive. Entries of people stay where they are.
    """
    with numbering_lock(repo):
        moved = [
            each
            for each in list_learnings(repo)
            if each.generated and each.last_seen < before.isoformat()
        ]
        if not moved:
            return []
        text = read_text(repo / LEARNINGS_PATH)
        file = repo / ARCHIVE_PATH
        archive = Merger(ARCHIVE_PATH, read_text(file) if file.is_file() else NEW_ARCHIVE)
        for entry in reversed(moved):
            for name in (f"learning/{entry.fingerprint}", f"seen/{entry.fingerprint}"):
                region = parse(text).get(name)
                if region is not None:
                    text = _move(text, region, archive)
        write_file(file, archive.text)
        write_file(repo / LEARNINGS_PATH, text)
    return moved


def compose_learnings(
    learnings: Sequence[Learning], related: dict[str, str], merger: Merger
) -> None:
    """Put the learnings into the text of ``merger``; entries of other ledgers stay as they are.

    Args:
        learnings: Oldest first.
        related: Fingerprint → links, as Markdown.
        merger: Holds the file as it is, or `NEW_FILE`.
    """
    for learning in learnings:
        name = f"learning/{learning.fingerprint}"
        body = learning_body(learning, related.get(learning.fingerprint, ""))
        region = parse(merger.text).get(name)
        attributes = {"event": learning.opening.event}
        if region is None or region.attribute("event") == learning.opening.event:
            merger.put(name, body, attributes, at=_top(merger))
        seen_name = f"seen/{learning.fingerprint}"
        seen = parse(merger.text).get(seen_name)
        merger.put(seen_name, _seen_body(learning, seen), at=merger.after(name))


def learning_body(learning: Learning, related: str = "") -> str:
    """One entry, without how often it was seen."""
    areas = (learning.action, learning.failure_class or learning.area)
    fixes = [str(code(step.action)) for step in learning.between]
    return render(
        "learning",
        {
            "learning": learning,
            "groups": by_source(learning.numbers),
            "gates": gate_rows(learning.verdicts),
            "type": "fix" if learning.kind == "failure" else "feat",
            "month": month(learning.opening.at),
            "areas": [each for each in areas if each],
            "related": Safe(related),
            "fixes": Safe(", then ".join(fixes)),
        },
    )


def month(at: str) -> str:
    """``February 2026`` for a moment in RFC 3339, in any locale."""
    day = date.fromisoformat(at[:10])
    return f"{_MONTHS[day.month - 1]} {day.year}"


def _move(text: str, region: Region, archive: Merger) -> str:
    """Take a region, byte for byte, out of ``text`` and into the archive."""
    at = _top(archive)
    if region.name.startswith("seen/"):
        at = archive.after(f"learning/{region.name.partition('/')[2]}")
    if parse(archive.text).get(region.name) is None:  # a move that was killed half way put it there
        archive.insert(text[region.start : region.end], at)
    newline = "\r\n" if "\r\n" in text else "\n"
    before, after = text[: region.start].rstrip("\r\n"), text[region.end :].lstrip("\r\n")
    return f"{before}{newline * 2}{after}" if after else f"{before}{newline}"


def _days(seen: Region | None) -> list[str]:
    lines = seen.body.splitlines() if seen is not None else []
    return sorted(line[2:12] for line in lines if _OCCURRENCE.match(line))


def _seen_body(learning: Learning, existing: Region | None) -> str:
    """How often and when, together with what other ledgers have seen."""
    own = {
        each.event: Safe(
            f"- {text(each.at)}, run {code(each.run)}, event {each.sequence}"
            f" <!-- {text(each.event)} -->"
        )
        for each in learning.occurrences
    }
    foreign: dict[str, Safe] = {}
    if existing is not None and existing.intact:
        for line in existing.body.splitlines():
            match = _OCCURRENCE.match(line)
            if match and match["event"] not in own:
                foreign[match["event"]] = Safe(line)
    lines = sorted([*foreign.values(), *own.values()])
    return render("seen", {"count": len(lines), "lines": lines})


def _top(merger: Merger) -> int:
    if HEADING not in (line.strip() for line in merger.text.splitlines()):
        merger.text = f"{merger.text.rstrip()}\n\n{HEADING}\n".lstrip()
    return Merger(merger.path, merger.text).after(heading=HEADING)
