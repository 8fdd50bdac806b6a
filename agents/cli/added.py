"""Commands that a catalogue adds, as click runs them."""

from typing import Any

import click

from agents.cli.options import Unread, called
from agents.cli.output import emit, json_option, say, write
from agents.declare.commands import Command
from agents.declare.words import Flag
from agents.ledger.redaction import redact

__all__ = ["click_command"]


def click_command(declared: Command) -> click.Command:
    """A command of a catalogue, with the same words, flags, answers and help as ours."""

    @json_option
    @click.pass_context
    def run(
        context: click.Context, /, options: tuple[str, ...], as_json: bool, **flags: Any
    ) -> int:
        given = {name: value for name, value in flags.items() if value is not None}
        read = declared.options.read(options, called(context), given)
        answer = declared.run(read, _Terminal(as_json))
        if as_json or answer.text:
            emit(declared.name, answer.data, lambda: answer.text, json_wanted=as_json)
        return answer.exit_code

    command = click.command(declared.name, help=f"{declared.summary}\n\n{declared.details}")(run)
    words = Unread(["options"], options=declared.options)
    command.params[:0] = [words, *map(_option, declared.options.flags())]
    return command


def _option(declared: Flag) -> click.Option:
    return click.Option(
        [*declared.names, declared.field],
        help=declared.about,
        metavar=declared.metavar or None,
        is_flag=not declared.metavar,
        default=None,
    )


class _Terminal:
    """Standard output and standard error."""

    def __init__(self, json_wanted: bool) -> None:
        self.json_wanted = json_wanted

    def write(self, text: str) -> None:
        """On stdout, unless that holds one JSON document."""
        if not self.json_wanted:
            write(redact(text), end="")

    def say(self, line: str) -> None:
        """On stderr."""
        say(line)
