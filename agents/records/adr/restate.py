"""Changing the status of an ADR of any style, and nothing else of it."""

import re
from collections.abc import Callable

from agents.command import command
from agents.errors import UsageError
from agents.records.text.regions import parse, region_text, replace

__all__ = ["with_relation", "with_status"]

_LINE = re.compile(
    r"^(?P<start>\s*(?:[-*]\s+)?\*{0,2}status(?::\*\*|\*\*:|:)[ \t]*)(?P<value>[^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_SECTION = re.compile(
    r"^(?P<start>##\s+status[ \t]*\r?\n(?:[ \t]*\r?\n)*)(?P<value>[^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_RELATED = re.compile(
    r"^(?P<start>\s*(?:[-*]\s+)?\*{0,2}related(?::\*\*|\*\*:|:)[ \t]*)(?P<value>[^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)


def with_status(text: str, status: str, path: str) -> str:
    """``text`` with another status; the digest of a generated header is renewed.

    Raises:
        UsageError: The file states no status, or its generated header was edited by hand.
    """
    return _changed(text, path, lambda part: _replace_status(part, status))


def with_relation(text: str, relation: str, path: str) -> str:
    """``text`` that also says ``relation``, such as ``supersedes [ADR-001](…)``.

    It goes into the ``Related`` line where there is one, else behind the status.

    Raises:
        UsageError: As `with_status`.
    """
    return _changed(text, path, lambda part: _add_relation(part, relation))


def _changed(text: str, path: str, change: Callable[[str], str | None]) -> str:
    header = parse(text).get("header")
    if header is None:
        changed = change(text)
    elif not header.intact:
        raise UsageError(
            f"the generated header of {path} was edited by hand",
            fix=command("adr write --force generates it again"),
        )
    else:
        body = change(header.body)
        generated = None if body is None else region_text("header", body, dict(header.attributes))
        changed = None if generated is None else replace(text, header, generated)
    if changed is None:
        raise UsageError(f"{path} states no status", fix="add a line **Status:** Proposed to it")
    return changed


def _replace_status(text: str, status: str) -> str | None:
    match = _find_status(text)
    if match is None:
        return None
    if text[: match.start()].lstrip().startswith("---\n") and text.count("\n---") > 0:
        in_front_matter = "\n---" in text[match.start() :]
        status = f'"{status}"' if in_front_matter and "[" in status else status
    return text[: match.start("value")] + status + text[match.end("value") :]


def _add_relation(text: str, relation: str) -> str | None:
    if relation in text:
        return text
    related = _RELATED.search(text)
    if related is not None:
        value = related["value"].strip()
        joined = relation if value.lower() in ("", "none") else f"{value}, {relation}"
        return text[: related.start("value")] + joined + text[related.end("value") :]
    match = _find_status(text)
    if match is None:
        return None
    newline = "\r\n" if "\r\n" in text else "\n"
    line = "## " in match["start"] and f"{newline}{relation[0].upper()}{relation[1:]}"
    addition = line or f"{newline}**Related:** {relation}"
    if text.lstrip().startswith("---") and "\n---" in text[match.end() :]:
        addition = f'{newline}related: "{relation}"'
    return text[: match.end("value")] + addition + text[match.end("value") :]


def _find_status(text: str) -> re.Match[str] | None:
    section, line = _SECTION.search(text), _LINE.search(text)
    first_section = re.search(r"^##\s", text, re.MULTILINE)
    # a line that says status counts as metadata only before the first section
    if line is not None and (first_section is None or line.start() < first_section.start()):
        return line
    return section
