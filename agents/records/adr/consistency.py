"""`adr check`: what is wrong with the ADRs of a repository, by reading alone; changes no byte."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.records.adr.body import FAILED_VERDICT
from agents.records.adr.documents import AdrDocument, read_adrs
from agents.records.text.reading import read_text
from agents.records.text.regions import parse

__all__ = ["Discrepancy", "check_adrs", "region_findings"]


@dataclass(frozen=True, order=True)
class Discrepancy:
    """One fault: where, which kind, and in words.

    The kinds: ``duplicate_number``, ``number_mismatch``, ``no_status``, ``no_date``,
    ``unreadable``, ``one_sided``,
    ``dangling``, ``circular``, ``edited``, ``broken_region``, ``accepted_failed_gate``,
    ``same_decision`` from `check_adrs`; ``differs``, ``missing``, ``file_changed`` from verifying.
    """

    path: str
    line: int
    kind: str
    message: str


def check_adrs(repo: Path) -> list[Discrepancy]:
    """All faults, by file: ``python -m agents adr check``."""
    documents = read_adrs(repo)
    findings = [
        *_duplicates(documents),
        *_one_sided(documents),
        *_circular(documents),
        *_same_decision(documents),
    ]
    for document in documents:
        findings += _alone(document)
        findings += region_findings(document.path, document.text)
    for path in ("plans/INDEX.md", "agents-docs/learnings.md"):
        if (repo / path).is_file():
            findings += region_findings(path, read_text(repo / path))
    return sorted(set(findings))


def region_findings(path: str, text: str) -> Iterator[Discrepancy]:
    """Broken markers, and generated regions that somebody edited."""
    parsed = parse(text)
    for fault in parsed.faults:
        yield Discrepancy(path, fault.line, "broken_region", f"marker: {fault.problem}")
    for region in parsed.regions:
        if not region.intact and not region.adopted:
            line = text.count("\n", 0, region.start) + 1
            yield Discrepancy(
                path, line, "edited", f"the generated region {region.name} was edited"
            )


def _alone(document: AdrDocument) -> Iterator[Discrepancy]:
    if document.problem:
        yield Discrepancy(document.path, 1, "unreadable", document.problem)
        return
    named = document.heading_number
    if named is not None and named != document.number:
        yield Discrepancy(
            document.path,
            1,
            "number_mismatch",
            f"the file is {document.label}, its heading says ADR-{named:03d}",
        )
    if not document.status:
        yield Discrepancy(document.path, 1, "no_status", f"{document.label} states no status")
    if not document.date:
        yield Discrepancy(document.path, 1, "no_date", f"{document.label} states no date")
    if document.status.lower().startswith("accepted"):
        for region in document.regions.starting("confirmation/"):
            if FAILED_VERDICT in region.body:
                message = f"{document.label} is accepted, but a gate failed in {region.name}"
                yield Discrepancy(document.path, 1, "accepted_failed_gate", message)


def _duplicates(documents: Sequence[AdrDocument]) -> Iterator[Discrepancy]:
    by_number: dict[int, list[AdrDocument]] = {}
    for document in documents:
        by_number.setdefault(document.number, []).append(document)
    for same in by_number.values():
        for document in same[1:]:
            yield Discrepancy(
                document.path,
                1,
                "duplicate_number",
                f"{document.label} is also {same[0].path}",
            )


def _one_sided(documents: Sequence[AdrDocument]) -> Iterator[Discrepancy]:
    """Each side of a supersession must name the other; with a doubled number any file may."""
    numbers = {document.number for document in documents}
    forward = {(each.number, old) for each in documents for old in each.supersedes}
    backward = {(new, each.number) for each in documents for new in each.superseded_by}
    for document in documents:
        for old in document.supersedes:
            if old not in numbers:
                yield _dangling(document, f"supersedes ADR-{old:03d}")
            elif (document.number, old) not in backward:
                message = f"supersedes ADR-{old:03d}, which does not say so"
                yield Discrepancy(document.path, 1, "one_sided", f"{document.label} {message}")
        for new in document.superseded_by:
            if new not in numbers:
                yield _dangling(document, f"is superseded by ADR-{new:03d}")
            elif (new, document.number) not in forward:
                message = f"is superseded by ADR-{new:03d}, which does not say so"
                yield Discrepancy(document.path, 1, "one_sided", f"{document.label} {message}")


def _circular(documents: Sequence[AdrDocument]) -> Iterator[Discrepancy]:
    older = {each.number: set(each.supersedes) for each in documents}
    for document in documents:
        reached, waiting = set[int](), set(document.supersedes)
        while waiting:
            number = waiting.pop()
            if number not in reached:
                reached.add(number)
                waiting |= older.get(number, set())
        if document.number in reached:
            message = f"{document.label} supersedes itself, by way of others"
            yield Discrepancy(document.path, 1, "circular", message)


def _same_decision(documents: Sequence[AdrDocument]) -> Iterator[Discrepancy]:
    """Two valid ADRs for one decision key, as after merging two branches."""
    valid: dict[str, AdrDocument] = {}
    for document in documents:
        if not document.key or document.superseded_by:
            continue
        other = valid.setdefault(document.key, document)
        if other is not document:
            message = f"{document.label} and {other.label} both decide {document.key}"
            yield Discrepancy(document.path, 1, "same_decision", message)


def _dangling(document: AdrDocument, message: str) -> Discrepancy:
    words = f"{document.label} {message}, which is not there"
    return Discrepancy(document.path, 1, "dangling", words)
