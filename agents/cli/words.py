"""From ``key=value`` words to a question: a goal, its parameters, and where the state is."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

from agents.declare.catalogue import Catalogue, require_text
from agents.errors import UsageError
from agents.run.asking import ENGINE_KEYS, question_of_words
from agents.run.question import LEDGER_NAME, Question

__all__ = [
    "ENGINE_KEYS",
    "LEDGER_NAME",
    "catalogue_of",
    "parse_words",
    "question",
    "state_directory",
]

STATE_VARIABLE = "AGENTS_STATE"


def catalogue_of(context: click.Context) -> Catalogue:
    """The declarations the composition root handed to the command line."""
    catalogue = context.obj()
    assert isinstance(catalogue, Catalogue)  # noqa: S101 - set by the composition root
    return catalogue


def parse_words(words: Iterable[str]) -> dict[str, str]:
    """``key=value`` words as a mapping.

    Raises:
        UsageError: A word without ``=``, a key given twice, or a value that is not UTF-8.
    """
    parsed: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"{word!r} is not of the form key=value", fix=f"goal={word}")
        if key in parsed:
            raise UsageError(f"{key}= is given twice")
        require_text(key, value)
        parsed[key] = value
    return parsed


def state_directory(text: str | None) -> Path:
    """The state directory: ``state=``, else ``$AGENTS_STATE``, else ``.goap`` here."""
    return Path(text or os.environ.get(STATE_VARIABLE) or ".goap")


def question(context: click.Context, words: Iterable[str], *, default_goal: str = "") -> Question:
    """The question that ``words`` ask.

    Raises:
        UsageError: No goal, an unknown goal or parameter, or a value of the wrong type.
    """
    parsed = parse_words(words)
    state = state_directory(parsed.get("state"))
    return question_of_words(catalogue_of(context), parsed, state, default_goal=default_goal)
