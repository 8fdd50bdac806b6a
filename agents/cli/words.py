"""From ``key=value`` words to a request: a goal, its parameters, and where the state is."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import BaseModel

from agents.declare.actions import Context, Goal
from agents.declare.catalogue import Catalogue, require_text
from agents.errors import UsageError
from agents.ledger.events import Event
from agents.ledger.store import Ledger
from agents.money.estimates import Estimates, estimates_from
from agents.run.recall import unfinished

__all__ = ["Request", "catalogue_of", "dollars", "parse_words", "request", "state_directory"]

LEDGER_NAME = "ledger.db"
STATE_VARIABLE = "AGENTS_STATE"
ENGINE_KEYS = ("goal", "state", "max_cost", "plan_digest", "wait")


@dataclass(frozen=True)
class Request:
    """What a user asked for, checked."""

    catalogue: Catalogue
    goal: Goal
    params: BaseModel
    state: Path
    max_cost: float | None = None
    plan_digest: str | None = None
    wait: float = 0.0

    @property
    def ledger_path(self) -> Path:
        """The ledger of the state directory."""
        return self.state / LEDGER_NAME

    def estimates(self) -> Estimates:
        """What is known about durations and prices now."""
        return estimates_from(self._history(), self.catalogue.rates(self.state))

    def unfinished(self) -> list[str]:
        """Actions that earlier runs of the same request began, and of which no outcome is known."""
        given = self.params.model_dump(mode="json")
        begun = unfinished(self._history(), self.goal.name, given)
        return [name for name in begun if name in self.catalogue.actions]

    def _history(self) -> list[Event]:
        with Ledger(self.ledger_path, readonly=True) as ledger:
            return ledger.events()

    def looking(self) -> Context:
        """A context for sensors that changes nothing."""
        history = self._history()
        ports = self.catalogue.ports(self.params, self.state)
        return Context(self.params, ports, self.state, history=lambda: history)


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


def state_directory(given: str | None) -> Path:
    """The state directory: ``state=``, else ``$AGENTS_STATE``, else ``.goap`` here."""
    return Path(given or os.environ.get(STATE_VARIABLE) or ".goap")


def request(context: click.Context, words: Iterable[str], *, default_goal: str = "") -> Request:
    """The request that ``words`` make.

    Raises:
        UsageError: No goal, an unknown goal or parameter, or a value of the wrong type.
    """
    catalogue = catalogue_of(context)
    given = parse_words(words)
    name = given.pop("goal", default_goal)
    if not name:
        names = ", ".join(catalogue.goals)
        raise UsageError(
            f"no goal given; the goals are: {names}",
            fix=f"{context.command_path} goal={next(iter(catalogue.goals))}",
        )
    goal = catalogue.goal(name)
    engine = {key: given.pop(key) for key in ENGINE_KEYS if key in given}
    return Request(
        catalogue,
        goal,
        catalogue.parameters(goal, given, beside=ENGINE_KEYS),
        state_directory(engine.get("state")),
        dollars(engine.get("max_cost")),
        engine.get("plan_digest"),
        _seconds(engine.get("wait")),
    )


def dollars(text: str | None) -> float | None:
    """Dollars from the command line.

    Raises:
        UsageError: It is no number of dollars.
    """
    if text is None:
        return None
    try:
        value = float(text.lstrip("$"))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"max_cost={text} is not a number of dollars", fix="max_cost=5")
    return value


def _seconds(text: str | None) -> float:
    if text is None:
        return 0.0
    if not text.isdecimal():
        raise UsageError(f"wait={text} is not a number of seconds", fix="wait=600")
    return float(text)
