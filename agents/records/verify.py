"""`adr verify`: every generated number recomputed from the ledger, and from the files it names."""

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.declare.contributions import NOTHING, Subject
from agents.errors import ActionFailed
from agents.ledger.events import Event
from agents.ledger.past import with_outcomes
from agents.ledger.payloads import OfStep, StepFinished, StepStarted
from agents.records.adr.consistency import Discrepancy, region_findings
from agents.records.adr.documents import read_adrs
from agents.records.evidence.measured import decisions, measurements
from agents.records.evidence.models import Evidence, Number
from agents.records.evidence.run_log import run_logs
from agents.records.places import ARCHIVE_PATH, INDEX_PATH, LEARNINGS_PATH, RUNS_FOLDER
from agents.records.text.reading import read_text
from agents.records.text.regions import Region, parse
from agents.records.write import draft

__all__ = ["Verification", "verify_records"]

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Verification:
    """What verifying found.

    Attributes:
        findings: Every difference, by file and line; empty when all that was said is measured.
        counted: By file, how many numbers were recomputed from the ledger and are the same.
        files: How many files were hashed again and are the same.
        unseen_files: Files a record names that are not below any of the given roots.
        unknown: Regions whose events this ledger does not hold: only their digest was checked.
        adopted: Regions that a person has taken over: not checked.
        pending: Records that lack what was measured since they were written last; what they say
            was true then. A run that failed writes none, the next one does.
    """

    findings: tuple[Discrepancy, ...]
    counted: Mapping[str, int]
    files: int
    unseen_files: tuple[str, ...]
    unknown: tuple[str, ...]
    adopted: tuple[str, ...]
    pending: tuple[str, ...] = ()

    @property
    def numbers(self) -> int:
        """How many numbers were recomputed from the ledger and are the same, in all files."""
        return sum(self.counted.values())

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.findings


@dataclass
class _Tally:
    findings: list[Discrepancy]
    counted: dict[str, int]
    unknown: list[str]
    adopted: list[str]
    pending: list[str]

    def add(self, other: "_Tally") -> None:
        """Take over what was found in one file."""
        self.findings += other.findings
        self.counted |= other.counted
        self.unknown += other.unknown
        self.adopted += other.adopted
        self.pending += other.pending


def _nothing() -> _Tally:
    return _Tally([], {}, [], [], [])


def verify_records(
    events: Sequence[Event], repo: Path, *, roots: Sequence[Path] = (), subject: Subject = NOTHING
) -> Verification:
    """Compare every generated region with the ledger: ``python -m agents adr verify``.

    ``learnings verify`` is the same, shown for ``agents-docs/learnings.md`` alone.

    Args:
        events: The ledger, oldest first.
        repo: Root of the records.
        roots: Directories below which the files that records name may lie, such as the volume.
        subject: What outcomes measure.

    Raises:
        ActionFailed: An event lacks a fact that a record needs.
    """
    events = with_outcomes(events, subject.call)
    made = _drafted(events, repo, subject)
    tally = _nothing()
    before: Mapping[str, str] | None = None
    for path in sorted({*_record_paths(repo), *made}):
        found = _compared(repo, path, made)
        if found.findings:
            if before is None:
                before = _drafted(_written_of(events, subject), repo, subject)
            found = _pending(repo, path, before) or found
        tally.add(found)
    logs = run_logs(events, subject)
    measured = [each for log in logs for each in measurements(log)]
    measured += [each for record in decisions(logs) for each in record.evidence]
    changed, hashed, unseen = _check_files(measured, roots)
    return Verification(
        findings=tuple(sorted({*tally.findings, *changed})),
        counted=tally.counted,
        files=hashed,
        unseen_files=tuple(unseen),
        unknown=tuple(tally.unknown),
        adopted=tuple(tally.adopted),
        pending=tuple(tally.pending),
    )


def _drafted(events: Sequence[Event], repo: Path, subject: Subject) -> Mapping[str, str]:
    return draft(events, repo, subject, edited="force", thaw=True).after


def _compared(repo: Path, path: str, generated: Mapping[str, str]) -> _Tally:
    """One record as it is on disk beside what it was made to say."""
    tally = _nothing()
    if not (repo / path).is_file():
        tally.findings.append(Discrepancy(path, 1, "missing", "the record is not there"))
        return tally
    try:
        text = read_text(repo / path)
    except ActionFailed as failed:
        tally.findings.append(Discrepancy(path, 1, "unreadable", failed.message))
    else:
        _compare(path, text, generated.get(path), tally)
    return tally


def _pending(repo: Path, path: str, before: Mapping[str, str]) -> _Tally | None:
    """A record that is as it was written last, though more was measured since; None for others."""
    if path not in before:
        # nobody wrote it yet; what is there all the same was not made of this ledger alone
        found = _nothing()
        differs = (repo / path).exists()
    else:
        found = _compared(repo, path, before)
        differs = bool(found.findings or found.unknown)
    if differs:
        return None
    found.pending.append(path)
    return found


def _written_of(events: Sequence[Event], subject: Subject) -> Sequence[Event]:
    """What was measured when the records were written last: the events before that step."""
    finished: set[tuple[str, str]] = set()
    for index in range(len(events) - 1, -1, -1):
        payload = events[index].payload
        if isinstance(payload, OfStep) and payload.action in subject.recorders:
            step = (events[index].run, payload.step)
            if isinstance(payload, StepFinished):
                finished.add(step)
            elif isinstance(payload, StepStarted) and step in finished:
                return events[:index]
    return ()


def _record_paths(repo: Path) -> list[str]:
    """Files that hold generated regions, or might."""
    runs = repo / RUNS_FOLDER
    others = (INDEX_PATH, LEARNINGS_PATH, ARCHIVE_PATH)
    return [
        *(document.path for document in read_adrs(repo)),
        *(f"{RUNS_FOLDER}/{path.name}" for path in sorted(runs.glob("*.md"))),
        *(path for path in others if (repo / path).is_file()),
    ]


def _compare(path: str, text: str, generated: str | None, tally: _Tally) -> None:
    written, wanted = parse(text), parse(generated or "")
    for finding in region_findings(path, text):
        if finding.kind == "broken_region":
            tally.findings.append(finding)
    for region in wanted.regions:
        if written.get(region.name) is None:
            message = f"the region {region.name} is not there"
            tally.findings.append(Discrepancy(path, 1, "missing", message))
    for region in written.regions:
        expected = wanted.get(region.name)
        name = f"{path}: {region.name}"
        if region.adopted:
            tally.adopted.append(name)
        elif expected is not None and _says(region, expected):
            recomputed = len(_NUMBER.findall(region.body))
            tally.counted[path] = tally.counted.get(path, 0) + recomputed
        else:
            tally.findings.extend(_differences(path, text, region, expected))
            if region.intact and expected is None:
                tally.unknown.append(name)


def _says(region: Region, expected: Region) -> bool:
    """Whether a region is what the ledger says, apart from the wording of frozen text."""
    if region.intact and (region.body, region.attributes) == (expected.body, expected.attributes):
        return True
    frozen = region.name in ("decision", "references")
    return (
        frozen and region.intact and _NUMBER.findall(region.body) == _NUMBER.findall(expected.body)
    )


def _differences(
    path: str, text: str, region: Region, expected: Region | None
) -> Iterator[Discrepancy]:
    first = text.count("\n", 0, region.body_start) + 1
    named = 0
    if expected is not None:
        for offset, written, wanted in _changed_lines(region.body, expected.body):
            named += 1
            yield Discrepancy(path, first + offset, "differs", _told(region.name, written, wanted))
    if not named and (not region.intact or expected is not None):
        words = "does not fit its digest, or its marker was changed"
        yield Discrepancy(path, first - 1, "differs", f"region {region.name} {words}")


def _changed_lines(written: str, wanted: str) -> Iterator[tuple[int, str, str]]:
    left, right = written.splitlines(), wanted.splitlines()
    matcher = difflib.SequenceMatcher(a=left, b=right, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            for step in range(max(b - a, d - c)):
                yield (
                    min(a + step, max(b - 1, a)),
                    left[a + step] if a + step < b else "",
                    right[c + step] if c + step < d else "",
                )


def _told(region: str, written: str, wanted: str) -> str:
    """The numbers that differ in one line, or the line where none does."""
    here, there = _NUMBER.findall(written), _NUMBER.findall(wanted)
    if len(here) == len(there) and here != there:
        pairs = [(a, b) for a, b in zip(here, there, strict=True) if a != b]
        told = ", ".join(f"{a} where the ledger says {b}" for a, b in pairs)
        return f"{region} says {told}: {written.strip()}"
    if not wanted:
        return f"{region} says what the ledger does not: {written.strip()}"
    return f"{region} says {written.strip()!r}, the ledger says {wanted.strip()!r}"


def _check_files(
    measured: Sequence[Evidence], roots: Sequence[Path]
) -> tuple[list[Discrepancy], int, list[str]]:
    findings, hashed, unseen = [], set[str](), list[str]()
    for evidence in measured:
        where = f"run {evidence.run.id}, event {evidence.source.sequence}"
        for file in evidence.files:
            located = _locate(file.path, roots)
            if located is None or not file.sha256:
                unseen.append(file.path)
            elif _sha256(located) != file.sha256:
                message = f"{where}: its sha256 is not {file.sha256[:12]}… any more"
                findings.append(Discrepancy(file.path, 1, "file_changed", message))
            else:
                hashed.add(file.path)
        for number in evidence.numbers:
            read = _read_again(number, roots)
            if read is not None and not _same(read, number.value):
                message = f"{where}: {number.name} is {read} in the file, {number.value} there"
                findings.append(Discrepancy(number.source.file, 1, "file_changed", message))
    return findings, len(hashed), sorted(set(unseen))


def _locate(path: str, roots: Sequence[Path]) -> Path | None:
    for root in roots:
        file = root / path.partition("#")[0]
        if file.is_file() and file.resolve().is_relative_to(root.resolve()):
            return file
    return None


def _read_again(number: Number, roots: Sequence[Path]) -> float | None:
    """The number as its file has it now; None where file or number cannot be found."""
    path, _, _ = number.source.file.partition("#")
    file = _locate(path, roots) if path.endswith(".json") else None
    if file is None:
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None
    for holder in (content, content.get("metrics")) if isinstance(content, dict) else ():
        value = holder.get(number.name) if isinstance(holder, dict) else None
        if isinstance(value, int | float):
            return float(value)
    return None


def _same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
