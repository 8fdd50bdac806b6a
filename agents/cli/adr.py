"""``adr``: the decisions, for people and their scripts."""

from typing import Any

import click

from agents.cli.options import takes
from agents.cli.output import emit, json_option
from agents.cli.records import (
    RecordsOptions,
    VerifyOptions,
    tell_changed,
    tell_findings,
    tell_written,
    verify,
)
from agents.command import command
from agents.declare.words import word
from agents.errors import UsageError
from agents.machine import account
from agents.records import outdated, write_records
from agents.records.adr.by_hand import (
    accept_adr,
    list_adrs,
    madr_text,
    new_adr,
    supersede_adr,
    write_index,
)
from agents.records.adr.consistency import check_adrs
from agents.records.adr.documents import plain_status
from agents.records.text.merge import Edited

__all__ = ["adr_command"]

format_option = click.option(
    "--format", "style", type=click.Choice(["adr", "madr"]), default="adr", show_default=True
)


check_option = click.option(
    "--check", is_flag=True, help="Write nothing; end with exit code 1 when something would change."
)


class NewOptions(RecordsOptions):
    """Whose decision it is."""

    author: str = word("NAME", "")


class AcceptOptions(RecordsOptions):
    """Who accepts."""

    by: str | None = word("NAME", None)
    policy: str = word("NAME", "")


@click.group("adr")
def adr_command() -> None:
    """Decisions: list, new, show, accept, supersede, check, verify, write and index."""


@adr_command.command("list")
@takes(RecordsOptions)
@json_option
def list_command(options: RecordsOptions, as_json: bool) -> None:
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
        for each in list_adrs(options.repo)
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
            or f"no ADRs yet; write one: {command('adr new TITLE')}"
        ),
        json_wanted=as_json,
    )


@adr_command.command("new")
@click.argument("title")
@takes(NewOptions)
@format_option
@json_option
def new_command(title: str, options: NewOptions, style: Any, as_json: bool) -> None:
    """An empty ADR for a person to fill, under the next free number.

    author=NAME says whose decision it is; by default the user of this machine.
    """
    author = options.author or account()
    path = new_adr(options.repo, title, author=author, format=style)
    emit("adr.new", {"path": str(path)}, lambda: str(path), json_wanted=as_json)


@adr_command.command("show")
@click.argument("number", type=int)
@takes(RecordsOptions)
@format_option
@json_option
def show_adr_command(number: int, options: RecordsOptions, style: str, as_json: bool) -> None:
    """One ADR, as it is or in MADR 4.0."""
    if style == "madr":
        text = madr_text(options.events(), options.repo, number, subject=options.subject)
    else:
        texts = [each.text for each in list_adrs(options.repo) if each.number == number]
        if not texts:
            raise UsageError(f"there is no ADR-{number:03d}", fix=command("adr list"))
        text = texts[0]
    emit("adr.show", {"number": number, "text": text}, lambda: text, json_wanted=as_json)


@adr_command.command("accept")
@click.argument("number", type=int)
@takes(AcceptOptions)
@json_option
def accept_command(number: int, options: AcceptOptions, as_json: bool) -> None:
    """Accept an ADR; one with a failed gate never is.

    by=NAME says who, by default the user of this machine; policy=NAME accepts in the name of a
    policy instead, which needs a gate that passed.
    """
    if options.policy and options.by is not None:
        raise UsageError("by= and policy= exclude each other", fix="give one of them")
    by = options.policy or options.by or account()
    changes = accept_adr(options.repo, number, by=by, policy=bool(options.policy))
    tell_changed("adr.accept", changes, as_json)


@adr_command.command("supersede")
@click.argument("old", type=int)
@click.argument("new", type=int)
@takes(RecordsOptions)
@json_option
def supersede_command(old: int, new: int, options: RecordsOptions, as_json: bool) -> None:
    """Say on both sides that NEW replaces OLD."""
    tell_changed("adr.supersede", supersede_adr(options.repo, old, new), as_json)


@adr_command.command("index")
@takes(RecordsOptions)
@check_option
@click.option("--force", is_flag=True, help="Overwrite what was edited in the generated part.")
@json_option
def index_command(options: RecordsOptions, check: bool, force: bool, as_json: bool) -> int:
    """Write plans/INDEX.md, with a table and a graph."""
    repo, edited = options.repo, edited_of(False, force)
    changes = write_index(repo, edited=edited, check=check)
    return tell_written("adr.index", changes, check, as_json)


@adr_command.command("write")
@takes(RecordsOptions)
@check_option
@click.option("--adopt", is_flag=True, help="Keep what a person edited; it is theirs from now on.")
@click.option("--force", is_flag=True, help="Generate what a person edited again.")
@json_option
def write_command(
    options: RecordsOptions, check: bool, adopt: bool, force: bool, as_json: bool
) -> int:
    """Make ADRs, learnings and run records say what the ledger says, and show what changed.

    Generated text that a person edited is refused with a diff, unless --adopt or --force says what
    shall become of it. The goal documented does the same as a step of a plan, and can commit.
    """
    edited = edited_of(adopt, force)
    if check:
        changes = outdated(options.events(), options.repo, subject=options.subject)
    else:
        changes = write_records(
            options.events(), options.repo, subject=options.subject, edited=edited
        )
    return tell_written("adr.write", changes, check, as_json)


@adr_command.command("check")
@takes(RecordsOptions)
@json_option
def check_command(options: RecordsOptions, as_json: bool) -> int:
    """What is wrong with the ADRs, by reading alone; changes nothing."""
    findings = check_adrs(options.repo)
    return tell_findings("adr.check", findings, {}, "no faults", as_json)


@adr_command.command("verify")
@takes(VerifyOptions)
@json_option
def verify_command(options: VerifyOptions, as_json: bool) -> int:
    """Recompute every number from the ledger and hash every file; any difference fails.

    volume=DIR is where the files that records name are; default <state>/volume.
    """
    return verify("adr.verify", options, as_json)


def edited_of(adopt: bool, force: bool) -> Edited:
    """What shall become of generated text that a person edited."""
    if adopt and force:
        raise UsageError("--adopt and --force are opposites", fix="give one of them")
    return "adopt" if adopt else "force" if force else "refuse"
