"""`agents-docs/learnings.md`: one entry per fingerprint, newest first under `## Key Learnings`."""

import re
from collections.abc import Sequence
from datetime import date

from agents.records.evidence import Learning
from agents.records.markdown import Safe, code, text
from agents.records.merge import Merger
from agents.records.regions import Parsed, Region, parse
from agents.records.render import render

__all__ = ["LEARNINGS_PATH", "compose_learnings", "learning_body", "month"]

LEARNINGS_PATH = "agents-docs/learnings.md"
HEADING = "## Key Learnings"
NEW_FILE = f"# Learnings\n\n{HEADING}\n"

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
_OCCURRENCE = re.compile(r"^- .*<!-- (?P<event>[\w.-]+) -->$")


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
    fixes = [str(code(step.action)) for step in learning.between]
    return render(
        "learning",
        {
            "learning": learning,
            "type": "fix" if learning.kind == "failure" else "feat",
            "month": month(learning.opening.at),
            "areas": [learning.action, learning.failure_class or "training"],
            "related": Safe(related),
            "fixes": Safe(", then ".join(fixes)),
        },
    )


def month(at: str) -> str:
    """``February 2026`` for a moment in RFC 3339, in any locale."""
    day = date.fromisoformat(at[:10])
    return f"{_MONTHS[day.month - 1]} {day.year}"


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
            found = _OCCURRENCE.match(line)
            if found and found["event"] not in own:
                foreign[found["event"]] = Safe(line)
    lines = sorted([*foreign.values(), *own.values()])
    return render("seen", {"count": len(lines), "lines": lines})


def _top(merger: Merger) -> int:
    if HEADING not in (line.strip() for line in merger.text.splitlines()):
        merger.text = f"{merger.text.rstrip()}\n\n{HEADING}\n".lstrip()
    return Merger(merger.path, merger.text).after(heading=HEADING)


def entries(parsed: Parsed) -> list[Region]:
    """The generated entries of a learnings file, newest first."""
    return parsed.starting("learning/")
