"""What this program is called where it was started: every hint and fix names it by this."""

__all__ = ["PROGRAM", "command"]

PROGRAM = "python -m agents"


def command(words: str = "") -> str:
    """A command line to type, from the words after the program's name."""
    return f"{PROGRAM} {words}".rstrip()
