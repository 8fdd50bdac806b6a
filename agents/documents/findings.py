"""What is wrong in a page, and the nearest right word."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Finding", "nearest_word"]

LISTED = 8
"""Up to so many right words are listed when none of them is near."""


class Finding(NamedTuple):
    """One place where a page says something that is not so.

    Attributes:
        path: The page, relative to the project.
        line: Counted from 1.
        kind: ``command``, ``file``, ``link``, ``api`` or ``heading``.
        quoted: What the page says.
        message: What is wrong with it, with the nearest right word.
    """

    path: str
    line: int
    kind: str
    quoted: str
    message: str


def nearest_word(wrong: str, right: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or the few words there are, or nothing.

    >>> nearest_word("lst", ["list", "new"])
    "; did you mean 'list'?"
    >>> nearest_word("status", ["new", "set"])
    '; there are: new, set'
    """
    words = sorted(set(right))
    close = difflib.get_close_matches(wrong, words, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are: {', '.join(words)}" if 0 < len(words) <= LISTED else ""
