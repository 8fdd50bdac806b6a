"""``learnings``: what was learned, for people and their scripts."""

import click

from agents.cli.options import takes
from agents.cli.output import emit, json_option
from agents.cli.records import RecordsOptions, VerifyOptions, verify
from agents.cli.words import Day
from agents.declare.words import word
from agents.records.learnings.entries import archive_learnings, list_learnings
from agents.records.places import ARCHIVE_PATH, LEARNINGS_PATH

__all__ = ["learnings_command"]


class ArchiveOptions(RecordsOptions):
    """What is old enough."""

    before: Day = word("DAY", example="2026-01-31")


@click.group("learnings")
def learnings_command() -> None:
    """What was learned: list, verify, archive."""


@learnings_command.command("list")
@takes(RecordsOptions)
@json_option
def list_learnings_command(options: RecordsOptions, as_json: bool) -> None:
    """All learnings in the order of the file."""
    entries = list_learnings(options.repo)
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
@takes(VerifyOptions)
@json_option
def verify_learnings_command(options: VerifyOptions, as_json: bool) -> int:
    """Recompute every number of the learnings, archived ones too, from the ledger."""
    return verify(
        "learnings.verify", options, as_json, lambda path: path in (LEARNINGS_PATH, ARCHIVE_PATH)
    )


@learnings_command.command("archive")
@takes(ArchiveOptions)
@json_option
def archive_command(options: ArchiveOptions, as_json: bool) -> None:
    """Move generated entries last seen before a day (before=2026-01-31) to the archive."""
    moved = [each.title for each in archive_learnings(options.repo, before=options.before)]
    text = f"{len(moved)} entries archived"
    emit("learnings.archive", {"moved": moved}, lambda: text, json_wanted=as_json)
