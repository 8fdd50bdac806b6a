"""Numbers grouped by where they were read, so that a table names its source once."""

from collections.abc import Iterable
from dataclasses import dataclass

from agents.records.evidence.models import Number
from agents.records.text.markdown import Safe, code

__all__ = ["SourceGroup", "by_source"]


@dataclass(frozen=True)
class SourceGroup:
    """Numbers of one event and one file.

    Attributes:
        caption: Event, file and digest, as Markdown.
        numbers: In the order they were measured.
    """

    caption: Safe
    numbers: tuple[Number, ...]


def by_source(numbers: Iterable[Number]) -> list[SourceGroup]:
    """The numbers, grouped; groups in the order of their first number."""
    groups: dict[Safe, list[Number]] = {}
    for number in numbers:
        groups.setdefault(_caption(number), []).append(number)
    return [SourceGroup(caption, tuple(members)) for caption, members in groups.items()]


def _caption(number: Number) -> Safe:
    source = number.source
    if not source.file:
        return Safe(f"Reported by event {source.sequence}")
    digest = f" (sha256 {code(source.sha256[:12])})" if source.sha256 else ""
    return Safe(f"Read from {code(source.file)}{digest}, event {source.sequence}")
