"""The command line as a function: words in, the data of ``--json`` out.

The server asks through the same door as everyone, so that its answers cannot differ.
"""

import contextlib
import io
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.cli.main import Composition, invoke
from agents.errors import GoapError, UsageError

__all__ = ["Door", "Refused", "words_of"]


class Refused(Exception):
    """The command line said no; ``error`` is what its JSON document says."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error.get("message", ""))
        self.error = dict(error)

    @classmethod
    def because(cls, error: GoapError) -> "Refused":
        """The refusal that the command line would make of an error."""
        return cls(
            {
                "code": error.code,
                "message": error.message,
                "fix": error.fix,
                "retryable": error.retryable,
            }
        )


class Door:
    """Runs commands in this process.

    Args:
        root: The declarations.
        state: The state directory of every command.
    """

    def __init__(self, root: Composition, state: Path) -> None:
        self.root, self.state = root, state
        self._lock = threading.Lock()

    def ask(self, command: str, *words: str) -> Any:
        """The data a command answers with.

        Raises:
            Refused: It failed.
        """
        line = [command, "--json", "--", *words, f"state={self.state}"]
        printed = io.StringIO()
        # stdout belongs to the process: one command at a time
        with self._lock, contextlib.redirect_stdout(printed):
            invoke(self.root, line)
        document = json.loads(printed.getvalue())
        if not document["ok"]:
            raise Refused(document["error"])
        return document["data"]


def words_of(goal: str, params: Mapping[str, Any]) -> list[str]:
    """``key=value`` words of a goal and its parameters.

    Raises:
        Refused: A value that is not one word's worth: a list or an object.
    """
    words = [f"goal={goal}"] if goal else []
    for key, value in params.items():
        if not isinstance(value, str | int | float | bool):
            error = UsageError(f"{key}= takes a text or a number, not {type(value).__name__}")
            raise Refused.because(error)
        words.append(f"{key}={str(value).lower() if isinstance(value, bool) else value}")
    return words
