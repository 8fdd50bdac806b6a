"""What ``adr`` and ``learnings`` have in common: their words, and how findings are told."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import AfterValidator

from agents.cli.output import emit, paint
from agents.cli.words import catalogue_of
from agents.command import command
from agents.declare.contributions import Subject
from agents.declare.words import word
from agents.errors import Permanent
from agents.records.adr.consistency import Discrepancy
from agents.records.verify import Verification, verify_records
from agents.records.write import Change
from agents.run.options import StateOptions

__all__ = [
    "RecordsOptions",
    "VerifyOptions",
    "tell_changed",
    "tell_findings",
    "tell_written",
    "verify",
]

EXIT_FOUND = 1
_SINCE = "lacks what was measured since the records were written"


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"repo={path} is not a directory")
    return path


class RecordsOptions(StateOptions):
    """Where the records and their ledger are."""

    repo: Annotated[Path, AfterValidator(_folder)] = word("DIR", Path())

    @property
    def subject(self) -> Subject:
        """What outcomes measure, in the catalogue of this command line."""
        return catalogue_of(click.get_current_context()).contributions.subject


class VerifyOptions(RecordsOptions):
    """Where the files are that records name."""

    volume: Path | None = word("DIR", None)

    @property
    def roots(self) -> list[Path]:
        """Folders below which files that records name may be."""
        return [self.volume or self.state / "volume", self.repo]


def verify(
    name: str,
    options: VerifyOptions,
    as_json: bool,
    concerns: Callable[[str], bool] = lambda _: True,
) -> int:
    """Say what differs from the ledger, in the records that ``concerns`` names."""
    checked: Verification = verify_records(
        options.events(), options.repo, roots=options.roots, subject=options.subject
    )
    numbers = sum(count for path, count in checked.counted.items() if concerns(path))
    unknown = [each for each in checked.unknown if concerns(each.partition(": ")[0])]
    findings = [each for each in checked.findings if concerns(each.path)]
    if unknown and not numbers and not findings:
        raise Permanent(
            f"nothing was verified: {options.ledger} holds none of these records",
            fix="state=DIR names the directory with their ledger; adr check compares digests alone",
            name="nothing_verified",
        )
    pending = [each for each in checked.pending if concerns(each)]
    counts: dict[str, Any] = {
        "numbers": numbers,
        "files": checked.files,
        "unseen_files": list(checked.unseen_files),
        "unknown": unknown,
        "adopted": [each for each in checked.adopted if concerns(each.partition(": ")[0])],
        "pending": pending,
    }
    return tell_findings(name, findings, counts, _fine(counts), as_json)


def _fine(counts: Mapping[str, Any]) -> str:
    """What was verified, where nothing differs."""
    told = [
        f"{counts['numbers']} numbers recomputed, {counts['files']} files hashed: no difference"
    ]
    if unseen := len(counts["unseen_files"]):
        told.append(f"{unseen} files are not on this machine")
    if unknown := len(counts["unknown"]):
        told.append(f"{unknown} parts are from another ledger: only their digests were checked")
    if adopted := len(counts["adopted"]):
        told.append(f"{adopted} parts are a person's, and not checked")
    lines = ["; ".join(told), *(f"pending  {each}  {_SINCE}" for each in counts["pending"])]
    if counts["pending"]:
        lines.append(f"  fix: {command('adr write')}, or the next run that reaches its goal")
    return "\n".join(lines)


def tell_findings(
    name: str, findings: Sequence[Discrepancy], more: dict[str, Any], fine: str, as_json: bool
) -> int:
    """Say what is wrong, or that all is ``fine``."""
    rows: list[dict[str, Any]] = [
        {"path": each.path, "line": each.line, "kind": each.kind, "message": each.message}
        for each in findings
    ]

    def text() -> str:
        lines = [
            f"{paint(row['kind'], 'red')}  {row['path']}:{row['line']}  {row['message']}"
            for row in rows
        ]
        return "\n".join(lines) or fine

    emit(name, {"findings": rows, **more}, text, json_wanted=as_json)
    return EXIT_FOUND if rows else 0


def tell_written(command: str, changes: Sequence[Change], check: bool, as_json: bool) -> int:
    """Say what was written, or with --check what would be, each with its diff."""
    rows = [{"path": str(each.path), "reason": each.reason, "diff": each.diff} for each in changes]

    def text() -> str:
        told = "\n".join(
            "\n".join([f"{row['path']}: {row['reason']}", *row["diff"].splitlines()])
            for row in rows
        )
        return told or "nothing to change"

    emit(command, {"checked": check, "changes": rows}, text, json_wanted=as_json)
    return EXIT_FOUND if check and rows else 0


def tell_changed(command: str, changes: Sequence[Change], as_json: bool) -> None:
    """Say which records were changed."""
    paths = [str(each.path) for each in changes]
    emit(
        command,
        {"changed": paths},
        lambda: "\n".join(paths) or "nothing to change",
        json_wanted=as_json,
    )
