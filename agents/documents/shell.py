"""Shell text as simple commands: words only, nothing expanded and nothing run."""

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PLACEHOLDER", "CommandLine", "command_lines", "inline_command", "is_placeholder"]

PLACEHOLDER = "PLACEHOLDER"
_ANGLED = re.compile(r"<[A-Za-z][\w -]*>")
_SHOUTED = re.compile(r"\$?\{?[A-Z][A-Z0-9_-]*\}?|\$\w+")
_ELLIPSIS = re.compile(r"(?:…|\.\.\.)$")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_PUNCTUATION = set("();<>|&")
_LEADING = ("sudo", "time", "nohup", "env", "exec", "command", "if", "then", "else", "do")
_LEADING_MORE = ("while", "until", "!", "{")
_ALTERNATIVE = "\0"
MOST_ALTERNATIVES = 16


@dataclass(frozen=True)
class CommandLine:
    """One simple command.

    Attributes:
        line: Line of the page, from 1.
        words: Program and arguments; empty when the text cannot be read as shell.
        complete: False for a mention, such as ``adr …`` in a sentence: what is missing is not a
            fault then, what is there still has to be right.
        problem: Why it cannot be read.
    """

    line: int
    words: tuple[str, ...]
    complete: bool = True
    problem: str = ""

    @property
    def text(self) -> str:
        """The command as one line."""
        return " ".join(self.words)


def is_placeholder(word: str) -> bool:
    """Whether a reader is meant to put something else there: ``NAME``, ``$KEY``, ``<key>``.

    >>> [is_placeholder(word) for word in ("RUN", "$RUN", "run", "7")]
    [True, True, False, False]
    """
    return PLACEHOLDER in word or _SHOUTED.fullmatch(word) is not None


def command_lines(text: str, first_line: int) -> Iterator[CommandLine]:
    """The simple commands of a shell block, in order.

    Args:
        text: The block.
        first_line: The line of the page its first line is.
    """
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        start, joined = number, _without_comment(lines[number])
        while joined.endswith("\\") and number + 1 < len(lines):
            number += 1
            joined = joined[:-1] + " " + _without_comment(lines[number])
        heredoc = _HEREDOC.search(joined)
        number += 1
        yield from _simple(joined, first_line + start)
        if heredoc is not None:
            while number < len(lines) and lines[number].strip() != heredoc[2]:
                number += 1
            number += 1


def inline_command(text: str, line: int) -> Iterator[CommandLine]:
    """The command an inline code span quotes: a mention, with ``[optional]`` and ``a|b`` words."""
    flat = " ".join(text.split())
    flat = re.sub(r"(?<=\S)\\?\|(?=\S)", _ALTERNATIVE, flat)
    flat = re.sub(r"(?<!\S)\[|\](?!\S)", "", flat)
    for each in _simple(flat, line):
        choices = [word.split(_ALTERNATIVE) for word in each.words]
        for words in itertools.islice(itertools.product(*choices), MOST_ALTERNATIVES):
            yield CommandLine(line, tuple(words), complete=False, problem=each.problem)


def _simple(text: str, line: int) -> Iterator[CommandLine]:
    text = _ANGLED.sub(PLACEHOLDER, text)
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, ""
        tokens = list(lexer)
    except ValueError as error:
        yield CommandLine(line, tuple(text.split()), problem=f"cannot be read as shell: {error}")
        return
    for words in _split(tokens):
        shown = [word for word in words if not _ELLIPSIS.search(word)]
        kept = _program(shown)
        if kept:
            yield CommandLine(line, tuple(kept), complete=len(shown) == len(words))


def _split(tokens: list[str]) -> Iterator[list[str]]:
    words: list[str] = []
    redirected = False
    for token in tokens:
        if set(token) <= _PUNCTUATION:
            redirected = bool(set(token) & set("<>"))
            if redirected:
                if words and words[-1] in ("1", "2"):
                    words.pop()
                continue
            yield words
            words = []
        elif redirected:
            redirected = False
        else:
            words.append(token)
    yield words


def _program(words: list[str]) -> list[str]:
    """The words from the program on: without prompt, assignments, ``sudo`` and the like."""
    rest = list(words)
    while rest and (
        rest[0] in ("$", "%", *_LEADING, *_LEADING_MORE) or _ASSIGNMENT.fullmatch(rest[0])
    ):
        rest.pop(0)
    if rest[:2] in (["uv", "run"], ["poetry", "run"]):
        rest = rest[2:]
    return rest


def _without_comment(line: str) -> str:
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "#" and (index == 0 or line[index - 1].isspace()):
            return line[:index].rstrip()
    return line.rstrip()
