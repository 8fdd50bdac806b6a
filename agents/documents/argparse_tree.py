"""Command lines against an ``argparse`` parser, which says what is wrong by ending the process."""

import argparse
import contextlib
import io
import re
from collections.abc import Iterator, Sequence

from agents.documents.findings import nearest_word
from agents.documents.shell import is_placeholder

__all__ = ["check_argparse"]

_CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")
_OPTION = re.compile(r"unrecognized arguments: (\S+)")
_LACKING = re.compile(r"the following arguments are required|expected (?:one|at least one) arg")


def check_argparse(
    parser: argparse.ArgumentParser, words: Sequence[str], *, complete: bool
) -> Iterator[str]:
    """What is wrong with ``words``; at most one sentence, as the parser stops at the first."""
    # a placeholder stands for a value of the right type, and most of those can be written as 1
    tried = [words, ["1" if is_placeholder(word) else word for word in words]]
    said = [_complaint(parser, each) for each in tried]
    problem = said[0] if all(said) else ""
    choice = _CHOICE.search(problem)
    if not problem or (choice and is_placeholder(choice[1])):
        return
    if not complete and _LACKING.search(problem):
        return
    yield f"{parser.prog}: {problem}{_near(parser, words, problem)}"


def _complaint(parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser.parse_args(list(words))
        except SystemExit as end:
            if end.code:
                return printed.getvalue().strip().rpartition("error: ")[2] or "cannot be parsed"
    return ""


def _near(parser: argparse.ArgumentParser, words: Sequence[str], problem: str) -> str:
    choice = _CHOICE.search(problem)
    if choice is not None:
        return nearest_word(choice[1], re.findall(r"[\w-]+", choice[2]))
    option = _OPTION.search(problem)
    if option is not None:
        return nearest_word(option[1], _options(parser, words))
    return ""


def _options(parser: argparse.ArgumentParser, words: Sequence[str]) -> list[str]:
    """Options of the sub-command the words name, from its own help."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        parser.parse_args([*words[:1], "--help"])
    return re.findall(r"--[\w-]+", printed.getvalue())
