"""What this program is called where it was started: every hint and fix names it by this."""

import sys
from pathlib import PurePath
from typing import Final

__all__ = ["NAMES", "PROGRAM", "command"]

NAMES: Final = ("python -m agents", "goap")
"""What this program can be called."""

_STARTS_GOAP = ("goap", "goap_start")
"""The installed command, and the module behind it, which is what this program starts itself by."""

PROGRAM: Final = NAMES[PurePath("".join(sys.argv[:1])).stem in _STARTS_GOAP]
"""What it was called this time."""


def command(words: str = "") -> str:
    """A command line to type, from the words after the program's name."""
    return f"{PROGRAM} {words}".rstrip()
