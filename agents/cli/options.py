"""Options of a command as click takes them: the rest of a command line, read as declared words."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from agents.command import PROGRAM
from agents.declare.words import Options

__all__ = ["Unread", "Words", "called", "takes"]

Command = TypeVar("Command", bound=Callable[..., Any])


def called(context: click.Context) -> str:
    """What a command is called, without the program."""
    return context.command_path.removeprefix(PROGRAM).strip()


class Words(click.Argument):
    """The rest of a command line, read as options.

    Args:
        declarations: The name of the parameter, as click hands it over.
        options: What the words are read as.
    """

    def __init__(self, declarations: Sequence[str], *, options: type[Options]) -> None:
        super().__init__(declarations, nargs=-1, metavar=options.usage(), callback=self._read)
        self.options = options

    def _read(self, context: click.Context, _: click.Parameter, words: tuple[str, ...]) -> object:
        return self.options.read(words, called(context))


class Unread(Words):
    """Words that are read later, together with the flags of the command."""

    def _read(self, context: click.Context, _: click.Parameter, words: tuple[str, ...]) -> object:  # noqa: ARG002
        return words


def takes(options: type[Options]) -> Callable[[Command], Command]:
    """The command takes these words, as its parameter ``options``."""
    return click.argument("options", cls=Words, options=options)
