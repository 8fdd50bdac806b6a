"""Putting generated regions into texts that people may have written in."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agents.records.text.regions import Region, adopted_text, parse, region_text, replace

__all__ = ["Conflict", "Edited", "Merger"]

Edited = Literal["refuse", "adopt", "force"]
"""What to do with a generated region that a person edited: refuse with a diff, let it be theirs
from now on, or generate it again."""

ADOPTED_NOTE = "*Edited by a person: what follows is not checked against the ledger.*"


@dataclass(frozen=True)
class Conflict:
    """A generated region that a person edited, and what generating it again would change."""

    path: str
    region: str
    diff: str


@dataclass
class Merger:
    """Puts regions into the text of one file.

    Attributes:
        path: The file, for messages.
        text: The text so far.
        edited: What to do with regions a person edited.
        conflicts: Regions that were edited and not adopted or forced; in ``text`` they are
            generated again, so that a caller may show what would be written.
    """

    path: str
    text: str
    edited: Edited = "refuse"
    conflicts: list[Conflict] = field(default_factory=list)

    def put(
        self,
        name: str,
        body: str,
        attributes: Mapping[str, str] | None = None,
        *,
        at: int,
        adoptable: bool = True,
    ) -> None:
        """Make the region say ``body``; a new one is inserted at offset ``at``.

        A region that is not ``adoptable`` carries the identity of the record: a person cannot
        take it over, only have it generated again.
        """
        region = parse(self.text).get(name)
        generated = region_text(name, body, attributes)
        if region is None:
            self.insert(generated, at)
        elif not region.adopted:
            self._update(region, generated, (body, dict(attributes or {})), adoptable)

    def after(self, *prefixes: str, heading: str = "") -> int:
        """Offset behind the last region with one of these prefixes.

        Where there is none: behind the line ``heading``, else at the end of the text.
        """
        ends = [region.end for prefix in prefixes for region in parse(self.text).starting(prefix)]
        if ends:
            return max(ends)
        place = 0
        for line in self.text.splitlines(keepends=True):
            place += len(line)
            if heading and line.strip() == heading:
                return place - len(line) + len(line.rstrip("\r\n"))
        return len(self.text.rstrip())

    def insert(self, generated: str, at: int) -> None:
        """Insert a block at an offset, with empty lines around it."""
        newline = "\r\n" if "\r\n" in self.text else "\n"
        before, after = self.text[:at].rstrip("\r\n"), self.text[at:].lstrip("\r\n")
        parts = [before] if before else []
        parts.append(generated.replace("\r\n", "\n").replace("\n", newline))
        if after:
            parts.append(after)
        else:
            parts[-1] += newline
        self.text = (newline * 2).join(parts)

    def _update(
        self,
        region: Region,
        generated: str,
        wanted: tuple[str, dict[str, str]],
        adoptable: bool,
    ) -> None:
        same = (region.body, dict(region.attributes)) == wanted
        if same and region.intact:
            return
        if not same and not region.intact:
            if self.edited == "adopt" and adoptable:
                generated = adopted_text(region.name, f"{ADOPTED_NOTE}\n\n{region.body}")
            elif self.edited != "force":
                diff = _diff(region.body, wanted[0])
                self.conflicts.append(Conflict(self.path, region.name, diff))
        self.text = replace(self.text, region, generated)


def _diff(edited: str, generated: str) -> str:
    lines = difflib.unified_diff(
        edited.splitlines(), generated.splitlines(), "as edited", "as generated", lineterm="", n=1
    )
    return "\n".join(lines)
