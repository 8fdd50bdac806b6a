"""Generated regions: text between two marker lines that carry the digest of what is inside.

```
<!-- goap:begin evidence/4f1c key=value sha256=9a0b… -->
…
<!-- goap:end evidence/4f1c -->
```

The digest covers name, attributes and body, so that a change to any of them shows. Text outside
regions belongs to people and is carried over byte for byte. A region a person took over is marked
``goap:adopted`` instead of ``goap:begin`` and is left alone from then on.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

__all__ = [
    "MarkerFault",
    "Parsed",
    "Region",
    "adopted_text",
    "parse",
    "region_text",
    "replace",
    "without_regions",
]

_MARKER = re.compile(
    r"^<!-- goap:(?P<kind>begin|adopted|end) (?P<name>[\w./-]+)"
    r"(?P<attributes>(?: [\w-]+=[^\s]*)*) -->(?P<ending>\r?)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Region:
    """One region of a text.

    Attributes:
        name: Unique in its file, such as ``decision`` or ``evidence/<event id>``.
        attributes: What the marker says besides the digest.
        body: The text inside, with Unix line ends, without the last one.
        sha256: The digest the marker claims.
        start: Offset of the first marker.
        body_start: Offset of the body.
        end: Offset behind the last marker.
        adopted: Whether a person took it over.
    """

    name: str
    attributes: tuple[tuple[str, str], ...]
    body: str
    sha256: str
    start: int
    body_start: int
    end: int
    adopted: bool

    @property
    def intact(self) -> bool:
        """Whether nobody changed the region since it was generated."""
        return self.sha256 == _digest(self.name, self.attributes, self.body)

    def attribute(self, name: str) -> str:
        """The value of an attribute; empty when it is not there."""
        return dict(self.attributes).get(name, "")


@dataclass(frozen=True)
class MarkerFault:
    """A marker that does not fit: where, and what is wrong with it."""

    line: int
    problem: str


@dataclass(frozen=True)
class Parsed:
    """The regions of a text in order, and the markers that make no region."""

    regions: tuple[Region, ...]
    faults: tuple[MarkerFault, ...]

    def get(self, name: str) -> Region | None:
        """The region of that name, if it is there."""
        return next((region for region in self.regions if region.name == name), None)

    def starting(self, prefix: str) -> list[Region]:
        """The regions whose name starts with ``prefix``, in order."""
        return [region for region in self.regions if region.name.startswith(prefix)]


def parse(text: str) -> Parsed:
    """Find the regions of ``text``; never raises."""
    regions: list[Region] = []
    faults: list[MarkerFault] = []
    opened: re.Match[str] | None = None
    for marker in _MARKER.finditer(text):
        line = text.count("\n", 0, marker.start()) + 1
        if marker["kind"] != "end":
            if opened is not None:
                faults.append(MarkerFault(line, f"{marker['name']} begins inside {opened['name']}"))
            opened = marker
        elif opened is None or opened["name"] != marker["name"]:
            faults.append(MarkerFault(line, f"{marker['name']} ends but does not begin"))
        else:
            region = _region(text, opened, marker)
            if any(region.name == other.name for other in regions):
                faults.append(MarkerFault(line, f"{region.name} is there twice"))
            else:
                regions.append(region)
            opened = None
    if opened is not None:
        line = text.count("\n", 0, opened.start()) + 1
        faults.append(MarkerFault(line, f"{opened['name']} begins but does not end"))
    return Parsed(tuple(regions), tuple(faults))


def region_text(name: str, body: str, attributes: Mapping[str, str] | None = None) -> str:
    """A region as text: markers around ``body``, without a line end behind the last one."""
    pairs = tuple((attributes or {}).items())
    marker = " ".join(
        ["<!-- goap:begin", name, *_encoded(pairs), f"sha256={_digest(name, pairs, body)}", "-->"]
    )
    return f"{marker}\n{body}\n<!-- goap:end {name} -->"


def adopted_text(name: str, body: str) -> str:
    """A region that a person has taken over."""
    return f"<!-- goap:adopted {name} -->\n{body}\n<!-- goap:end {name} -->"


def replace(text: str, region: Region, by: str) -> str:
    """``text`` with one region replaced; keeps the line ends of the file."""
    by = by.replace("\n", "\r\n") if "\r\n" in text else by
    return text[: region.start] + by + text[region.end :]


def without_regions(text: str) -> str:
    """What people wrote: the text without its intact regions and without empty lines."""
    parsed = parse(text)
    kept, position = [], 0
    for region in parsed.regions:
        if region.intact and not region.adopted:
            kept.append(text[position : region.start])
            position = region.end
    kept.append(text[position:])
    return "\n".join(line for line in "".join(kept).splitlines() if line.strip())


def _region(text: str, opened: re.Match[str], closed: re.Match[str]) -> Region:
    attributes = [
        (name, unquote(value))
        for name, _, value in (pair.partition("=") for pair in opened["attributes"].split())
    ]
    body_start = opened.end() + 1
    body = text[body_start : max(body_start, closed.start())].replace("\r\n", "\n")
    return Region(
        name=opened["name"],
        attributes=tuple(pair for pair in attributes if pair[0] != "sha256"),
        body=body.removesuffix("\n"),
        sha256=dict(attributes).get("sha256", ""),
        start=opened.start(),
        body_start=body_start,
        end=closed.end() - len(closed["ending"]),
        adopted=opened["kind"] == "adopted",
    )


def _encoded(attributes: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"{name}={quote(value, safe='')}" for name, value in attributes]


def _digest(name: str, attributes: tuple[tuple[str, str], ...], body: str) -> str:
    content = "\n".join([" ".join([name, *_encoded(attributes)]), body])
    return hashlib.sha256(content.encode()).hexdigest()
