"""``ledger``: what is done to the file itself, rarely."""

import click

from agents.cli.options import takes
from agents.cli.output import emit, json_option
from agents.cli.words import Day
from agents.declare.words import word
from agents.errors import UsageError
from agents.ledger.archive import archive
from agents.ledger.repair import salvage
from agents.run.options import StateOptions

__all__ = ["ledger_command"]


class ArchiveOptions(StateOptions):
    """What is old enough."""

    before: Day = word("DAY", example="2026-01-31")


@click.group("ledger")
def ledger_command() -> None:
    """The file of the ledger: archive, salvage."""


@ledger_command.command("archive")
@takes(ArchiveOptions)
@json_option
def archive_ledger_command(options: ArchiveOptions, as_json: bool) -> None:
    """Put old payloads away into ledger-archive.db, beside the ledger.

    Those of events that are older than a day, and of runs that ended before it. Every line stays,
    with its hash; what it said is read from the archive, which has to stay beside the ledger.
    """
    _there(options)
    done = archive(options.ledger, options.before)
    data = {"events": done.events, "archive": str(done.file), "bytes": done.bytes}
    text = f"{done.events} payloads are in {done.file}; the ledger has {done.bytes:,} bytes now"
    emit("ledger.archive", data, lambda: text, json_wanted=as_json)


@ledger_command.command("salvage")
@takes(StateOptions)
@json_option
def salvage_ledger_command(options: StateOptions, as_json: bool) -> None:
    """Keep of a damaged ledger the events that can be believed, from the first on.

    The damaged file is put aside. What was true after them is read from the volume again.
    """
    _there(options)
    done = salvage(options.ledger)
    data = {"events": done.events, "damaged": str(done.damaged)}
    text = f"{done.events} events are kept; the damaged file is {done.damaged}"
    emit("ledger.salvage", data, lambda: text, json_wanted=as_json)


def _there(options: StateOptions) -> None:
    if not options.ledger.is_file():
        raise UsageError(f"there is no ledger {options.ledger}", fix="state=DIR")
