"""From ``key=value`` words to a question: a goal, its parameters, and where the state is."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

import click
from pydantic import BeforeValidator

from agents.declare.catalogue import Catalogue
from agents.declare.words import parse_words
from agents.run.asking import question_of_words
from agents.run.options import state_directory
from agents.run.question import Question

__all__ = ["Day", "catalogue_of", "question"]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("before= is a day, such as 2026-01-31") from None


Day = Annotated[date, BeforeValidator(_day)]
"""A day as it is written in words."""


def catalogue_of(context: click.Context) -> Catalogue:
    """The declarations the composition root handed to the command line."""
    catalogue = context.obj()
    assert isinstance(catalogue, Catalogue)  # noqa: S101 - set by the composition root
    return catalogue


def question(context: click.Context, words: Iterable[str], *, default_goal: str = "") -> Question:
    """The question that ``words`` ask.

    Raises:
        UsageError: No goal, an unknown goal or parameter, or a value of the wrong type.
    """
    parsed = parse_words(words)
    state = state_directory(parsed.get("state"))
    return question_of_words(catalogue_of(context), parsed, state, default_goal=default_goal)
