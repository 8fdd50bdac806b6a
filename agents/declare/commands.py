"""Commands that a catalogue adds to the program, beside those of the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from agents.declare.words import Options

__all__ = ["Answer", "Command", "Data", "Run", "Terminal"]

Data: TypeAlias = Mapping[str, Any] | Sequence[Any]
"""JSON values."""


class Terminal(Protocol):
    """Where a command speaks while it works.

    Attributes:
        json_wanted: One JSON document is wanted: the answer's data. What is written besides is not
            shown.
    """

    @property
    def json_wanted(self) -> bool:
        """Whether ``--json`` was given."""

    def write(self, text: str) -> None:
        """A piece of the answer, as it comes; its lines end as they end there."""

    def say(self, line: str) -> None:
        """A line for the person watching, on stderr."""


@dataclass(frozen=True)
class Answer:
    """What a command answers when it ended.

    Attributes:
        data: For ``--json``.
        text: For a person; empty when everything was written already.
        exit_code: 0, or what the table of exit codes says.
    """

    data: Data
    text: str = ""
    exit_code: int = 0


class Run(Protocol):
    """What a command does."""

    def __call__(self, options: Any, terminal: Terminal, /) -> Answer:
        """Do it, and answer.

        Raises:
            GoapError: It could not be done; its message, fix and exit code are shown.
            KeyboardInterrupt: A person left.
        """


@dataclass(frozen=True)
class Command:
    """A command that a catalogue adds.

    Attributes:
        name: The word after the program's name.
        summary: One sentence; what ``--help`` lists.
        options: The words and flags it takes.
        run: What it does.
        details: What its own ``--help`` says besides.
    """

    name: str
    summary: str
    options: type[Options]
    run: Run
    details: str = ""
