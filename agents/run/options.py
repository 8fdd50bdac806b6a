"""The words of commands that read a state directory, or one run in it."""

import errno
import os
import stat
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from agents.declare.words import Options, word
from agents.errors import unusable
from agents.ledger.past import Past
from agents.run.question import LEDGER_NAME, read_ledger

__all__ = ["RunOptions", "StateOptions", "state_directory"]

STATE_VARIABLE = "AGENTS_STATE"


def state_directory(text: str | None) -> Path:
    """The state directory: ``state=``, else ``$AGENTS_STATE``, else ``.goap`` here.

    Raises:
        UsageError: It can never be one: a file is there, or its name is too long.
    """
    path = Path(text or os.environ.get(STATE_VARIABLE) or ".goap")
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return path
    except OSError as error:
        raise unusable(path, error) from error
    if not is_folder:
        raise unusable(path, NotADirectoryError(errno.ENOTDIR, "it is a file"))
    return path


StateDirectory = Annotated[Path, BeforeValidator(lambda text: state_directory(text or None))]


class StateOptions(Options):
    """The words of a command that reads a state directory."""

    state: StateDirectory = word("DIR", "")

    @property
    def ledger(self) -> Path:
        """The ledger of the state directory."""
        return self.state / LEDGER_NAME

    def events(self) -> Past:
        """What the ledger says."""
        return read_ledger(self.state)


class RunOptions(StateOptions):
    """The words of a command about one run: an id, a unique beginning of one, or last."""

    bare = "run"
    run: str = word("RUN", "last")
