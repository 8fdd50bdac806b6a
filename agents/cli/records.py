"""``adr`` and ``learnings``: the records, for people and their scripts."""

import getpass
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click

from agents.cli.output import emit, json_option, paint
from agents.cli.words import LEDGER_NAME, catalogue_of, parse_words, state_directory
from agents.declare.contributions import Subject
from agents.declare.facts import nearest
from agents.errors import Permanent, UsageError
from agents.ledger.events import Event
from agents.ledger.store import Ledger
from agents.records import outdated, write_records
from agents.records.check import Finding, check_adrs
from agents.records.commands import (
    accept_adr,
    list_adrs,
    madr_text,
    new_adr,
    supersede_adr,
    write_index,
)
from agents.records.documents import plain_status
from agents.records.learnings import (
    ARCHIVE_PATH,
    LEARNINGS_PATH,
    archive_learnings,
    list_learnings,
)
from agents.records.merge import Edited
from agents.records.verify import Verification, verify_records
from agents.records.write import Change

__all__ = ["adr_command", "learnings_command"]

EXIT_FOUND = 1
words_argument = click.argument("words", nargs=-1, metavar="[repo=DIR] [state=DIR]")
format_option = click.option(
    "--format", "style", type=click.Choice(["adr", "madr"]), default="adr", show_default=True
)


check_option = click.option(
    "--check", is_flag=True, help="Write nothing; end with exit code 1 when something would change."
)


@click.group("adr")
def adr_command() -> None:
    """Decisions: list, new, show, accept, supersede, check, verify, write and index."""


@click.group("learnings")
def learnings_command() -> None:
    """What was learned: list, verify, archive."""


@adr_command.command("list")
@words_argument
@json_option
def list_command(words: tuple[str, ...], as_json: bool) -> None:
    """All ADRs by number, whoever wrote them."""
    data: list[dict[str, Any]] = [
        {
            "number": each.number,
            "title": each.title,
            "status": each.status,
            "date": each.date,
            "path": each.path,
            "generated": bool(each.key),
        }
        for each in list_adrs(_Given(words).repo)
    ]
    emit(
        "adr.list",
        data,
        lambda: (
            "\n".join(
                f"ADR-{each['number']:03d}  {each['date']:<10}  "
                f"{plain_status(each['status']):<24}  {each['title']}"
                for each in data
            )
            or 'no ADRs yet; write one: python -m agents adr new "TITLE"'
        ),
        json_wanted=as_json,
    )


@adr_command.command("new")
@click.argument("title")
@words_argument
@format_option
@json_option
def new_command(title: str, words: tuple[str, ...], style: Any, as_json: bool) -> None:
    """An empty ADR for a person to fill, under the next free number.

    author=NAME says whose decision it is; by default the user of this machine.
    """
    given = _Given(words, "author")
    author = given.words.get("author") or getpass.getuser()
    path = new_adr(given.repo, title, author=author, format=style)
    emit("adr.new", {"path": str(path)}, lambda: str(path), json_wanted=as_json)


@adr_command.command("show")
@click.argument("number", type=int)
@words_argument
@format_option
@json_option
def show_adr_command(number: int, words: tuple[str, ...], style: str, as_json: bool) -> None:
    """One ADR, as it is or in MADR 4.0."""
    given = _Given(words)
    if style == "madr":
        text = madr_text(given.events(), given.repo, number, subject=_subject())
    else:
        found = [each for each in list_adrs(given.repo) if each.number == number]
        if not found:
            raise UsageError(f"there is no ADR-{number:03d}", fix="python -m agents adr list")
        text = found[0].text
    emit("adr.show", {"number": number, "text": text}, lambda: text, json_wanted=as_json)


@adr_command.command("accept")
@click.argument("number", type=int)
@words_argument
@json_option
def accept_command(number: int, words: tuple[str, ...], as_json: bool) -> None:
    """Accept an ADR; one with a failed gate never is.

    by=NAME says who, by default the user of this machine; policy=NAME accepts in the name of a
    policy instead, which needs a gate that passed.
    """
    given = _Given(words, "by", "policy")
    policy = given.words.get("policy", "")
    if policy and "by" in given.words:
        raise UsageError("by= and policy= exclude each other", fix="give one of them")
    by = policy or given.words.get("by") or getpass.getuser()
    changes = accept_adr(given.repo, number, by=by, policy=bool(policy))
    _changed("adr.accept", changes, as_json)


@adr_command.command("supersede")
@click.argument("old", type=int)
@click.argument("new", type=int)
@words_argument
@json_option
def supersede_command(old: int, new: int, words: tuple[str, ...], as_json: bool) -> None:
    """Say on both sides that NEW replaces OLD."""
    _changed("adr.supersede", supersede_adr(_Given(words).repo, old, new), as_json)


@adr_command.command("index")
@words_argument
@check_option
@click.option("--force", is_flag=True, help="Overwrite what was edited in the generated part.")
@json_option
def index_command(words: tuple[str, ...], check: bool, force: bool, as_json: bool) -> int:
    """Write plans/INDEX.md, with a table and a graph."""
    repo, edited = _Given(words).repo, edited_of(False, force)
    changes = write_index(repo, edited=edited, check=check)
    return _written("adr.index", changes, check, as_json)


@adr_command.command("write")
@words_argument
@check_option
@click.option("--adopt", is_flag=True, help="Keep what a person edited; it is theirs from now on.")
@click.option("--force", is_flag=True, help="Generate what a person edited again.")
@json_option
def write_command(
    words: tuple[str, ...], check: bool, adopt: bool, force: bool, as_json: bool
) -> int:
    """Make ADRs, learnings and run records say what the ledger says, and show what changed.

    Generated text that a person edited is refused with a diff, unless --adopt or --force says what
    shall become of it. The goal documented does the same as a step of a plan, and can commit.
    """
    given, edited = _Given(words), edited_of(adopt, force)
    if check:
        changes = outdated(given.events(), given.repo, subject=_subject())
    else:
        changes = write_records(given.events(), given.repo, subject=_subject(), edited=edited)
    return _written("adr.write", changes, check, as_json)


@adr_command.command("check")
@words_argument
@json_option
def check_command(words: tuple[str, ...], as_json: bool) -> int:
    """What is wrong with the ADRs, by reading alone; changes nothing."""
    findings = check_adrs(_Given(words).repo)
    return _found("adr.check", findings, {}, "no faults", as_json)


@adr_command.command("verify")
@words_argument
@json_option
def verify_command(words: tuple[str, ...], as_json: bool) -> int:
    """Recompute every number from the ledger and hash every file; any difference fails.

    volume=DIR is where the files that records name are; default <state>/volume.
    """
    return _verify("adr.verify", words, as_json)


@learnings_command.command("list")
@words_argument
@json_option
def list_learnings_command(words: tuple[str, ...], as_json: bool) -> None:
    """All learnings in the order of the file."""
    entries = list_learnings(_Given(words).repo)
    data = [
        {"title": each.title, "date": each.date, "seen": each.seen, "last_seen": each.last_seen}
        for each in entries
    ]
    emit(
        "learnings.list",
        data,
        lambda: (
            "\n".join(f"{row['date']:<10}  seen {row['seen']:>3}  {row['title']}" for row in data)
            or "no learnings yet"
        ),
        json_wanted=as_json,
    )


@learnings_command.command("verify")
@words_argument
@json_option
def verify_learnings_command(words: tuple[str, ...], as_json: bool) -> int:
    """Recompute every number of the learnings, archived ones too, from the ledger."""
    return _verify(
        "learnings.verify", words, as_json, lambda path: path in (LEARNINGS_PATH, ARCHIVE_PATH)
    )


@learnings_command.command("archive")
@words_argument
@json_option
def archive_command(words: tuple[str, ...], as_json: bool) -> None:
    """Move generated entries last seen before a day (before=2026-01-31) to the archive."""
    given = _Given(words, "before")
    try:
        day = date.fromisoformat(given.words.get("before", ""))
    except ValueError:
        raise UsageError("archive needs a day", fix="before=2026-01-31") from None
    moved = [each.title for each in archive_learnings(given.repo, before=day)]
    text = f"{len(moved)} entries archived"
    emit("learnings.archive", {"moved": moved}, lambda: text, json_wanted=as_json)


class _Given:
    """The words of a records command: ``repo=``, ``state=``, and what the command adds."""

    def __init__(self, words: tuple[str, ...], *more: str) -> None:
        self.words = parse_words(words)
        known = ("repo", "state", *more)
        for key in self.words:
            if key not in known:
                raise UsageError(f"unknown key {key!r}{nearest(key, known)}")
        self.repo = Path(self.words.get("repo", "."))
        self.state = state_directory(self.words.get("state"))
        if not self.repo.is_dir():
            raise UsageError(f"repo={self.repo} is not a directory")

    def events(self) -> Sequence[Event]:
        """The ledger's events."""
        with Ledger(self.state / LEDGER_NAME, readonly=True) as ledger:
            return ledger.events()


def _verify(
    command: str,
    words: tuple[str, ...],
    as_json: bool,
    concerns: Callable[[str], bool] = lambda _: True,
) -> int:
    given = _Given(words, "volume")
    roots = [Path(given.words.get("volume") or given.state / "volume"), given.repo]
    found: Verification = verify_records(
        given.events(), given.repo, roots=roots, subject=_subject()
    )
    numbers = sum(count for path, count in found.counted.items() if concerns(path))
    unknown = [each for each in found.unknown if concerns(each.partition(": ")[0])]
    findings = [each for each in found.findings if concerns(each.path)]
    if unknown and not numbers and not findings:
        raise Permanent(
            f"nothing was verified: {given.state / LEDGER_NAME} holds none of these records",
            fix="state=DIR names the directory with their ledger; adr check compares digests alone",
            name="nothing_verified",
        )
    counts = {
        "numbers": numbers,
        "files": found.files,
        "unseen_files": list(found.unseen_files),
        "unknown": unknown,
        "adopted": [each for each in found.adopted if concerns(each.partition(": ")[0])],
    }
    told = [f"{numbers} numbers recomputed, {found.files} files hashed: no difference"]
    if found.unseen_files:
        told.append(f"{len(found.unseen_files)} files are not on this machine")
    if unknown:
        told.append(
            f"{len(unknown)} parts are from another ledger: only their digests were checked"
        )
    if counts["adopted"]:
        told.append(f"{len(found.adopted)} parts are a person's, and not checked")
    return _found(command, findings, counts, "; ".join(told), as_json)


def _found(
    command: str, findings: Sequence[Finding], more: dict[str, Any], fine: str, as_json: bool
) -> int:
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

    emit(command, {"findings": rows, **more}, text, json_wanted=as_json)
    return EXIT_FOUND if rows else 0


def edited_of(adopt: bool, force: bool) -> Edited:
    """What shall become of generated text that a person edited."""
    if adopt and force:
        raise UsageError("--adopt and --force are opposites", fix="give one of them")
    return "adopt" if adopt else "force" if force else "refuse"


def _written(command: str, changes: Sequence[Change], check: bool, as_json: bool) -> int:
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


def _changed(command: str, changes: Sequence[Change], as_json: bool) -> None:
    paths = [str(each.path) for each in changes]
    emit(
        command,
        {"changed": paths},
        lambda: "\n".join(paths) or "nothing to change",
        json_wanted=as_json,
    )


def _subject() -> Subject:
    """What outcomes measure, in this catalogue."""
    return catalogue_of(click.get_current_context()).contributions.subject
