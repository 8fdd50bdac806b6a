"""Text that strangers wrote, marked as data: what a log says is no instruction to who reads it."""

from typing import Any

__all__ = ["CLOSE", "OPEN", "marked", "unmarked"]

OPEN, CLOSE = "⟦", "⟧"
_FOREIGN = frozenset(("evidence", "summary", "message", "text", "waits_for", "gates", "files"))
"""Fields with names of files, lines of logs, and what programs said."""
_ALL_FOREIGN = frozenset(("params", "given"))
"""Fields whose values were written by whoever asked, or found on a disk."""


def marked(data: Any, *, foreign: bool = False) -> Any:
    """JSON values with each foreign text between marks, which no text can close by itself."""
    if isinstance(data, str):
        inside = data.replace(OPEN, "[").replace(CLOSE, "]")
        return f"{OPEN}{inside}{CLOSE}" if foreign and data else data
    if isinstance(data, list):
        return [marked(each, foreign=foreign) for each in data]
    if isinstance(data, dict):
        return {
            key: marked(each, foreign=foreign or key in _ALL_FOREIGN)
            if isinstance(each, dict)
            else marked(each, foreign=foreign or key in _FOREIGN or key in _ALL_FOREIGN)
            for key, each in data.items()
        }
    return data


def unmarked(data: Any) -> Any:
    """The same values without marks: what was read in an answer may be asked with again."""
    if isinstance(data, str):
        whole = data.startswith(OPEN) and data.endswith(CLOSE)
        return data[len(OPEN) : -len(CLOSE)] if whole else data
    if isinstance(data, list):
        return [unmarked(each) for each in data]
    if isinstance(data, dict):
        return {key: unmarked(each) for key, each in data.items()}
    return data
