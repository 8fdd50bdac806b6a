"""The catalogue: every fact, sensor, action and goal a toolkit is made of."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import networkx as nx
from pydantic import BaseModel, Field, JsonValue, ValidationError, create_model
from pydantic_core import ErrorDetails

from agents.command import command
from agents.declare.actions import Action, Goal, Grounded, Sensor
from agents.declare.contributions import Contributions
from agents.declare.facts import Condition, Facts
from agents.declare.rates import Rate, read_rates
from agents.declare.words import require_text
from agents.errors import UsageError, nearest

__all__ = ["Catalogue"]

Declared = TypeVar("Declared")


class Catalogue:
    """Declarations, checked against each other once.

    Args:
        facts: Handles of the world.
        sensors: One per fact that can be seen.
        actions: In order of declaration, which breaks ties between equal plans.
        goals: What a user can ask for.
        ports: Makes what reaches the outside from (parameters, state directory).
        rates: Reads what an hour costs where, from the state directory.
        contributions: What it adds to commands that are not about its goals.

    Raises:
        UsageError: A name is declared twice, or a goal or an action names an unknown fact.
    """

    def __init__(
        self,
        facts: Facts,
        sensors: tuple[Sensor, ...],
        actions: tuple[Action, ...],
        goals: tuple[Goal, ...],
        ports: Callable[[BaseModel, Path], object] = lambda _params, _state: None,
        rates: Callable[[Path], Mapping[str, Rate]] = read_rates,
        contributions: Contributions | None = None,
    ) -> None:
        self.facts = facts
        self.sensors = _by_name("sensor", [(each.fact, each) for each in sensors])
        self.actions = _by_name("action", [(each.name, each) for each in actions])
        self.goals = _by_name("goal", [(each.name, each) for each in goals])
        self.ports = ports
        self.rates = rates
        self.contributions = contributions or Contributions()
        for fact in self.sensors:
            facts[fact]

    def goal(self, name: str) -> Goal:
        """The goal of this name.

        Raises:
            UsageError: There is none; the message has the nearest one.
        """
        if name not in self.goals:
            raise UsageError(
                f"no goal is called {name!r}{nearest(name, self.goals)}",
                fix=command("goals"),
            )
        return self.goals[name]

    def unfolded(self, goal: Goal, params: BaseModel) -> "Catalogue":
        """This catalogue with what the goal has for these parameters only.

        Raises:
            UsageError: A name is declared already.
        """
        if goal.unfolds is None:
            return self
        more = goal.unfolds(params)
        if twice := sorted(set(more.facts) & set(self.facts)):
            raise UsageError(f"two facts are called {twice[0]!r}, one of them of {goal.name}")
        fields: dict[str, Any] = {
            name: (bool, Field(description=text)) for name, text in more.facts.items()
        }
        world = create_model("World", __base__=self.facts.world, **fields)
        return Catalogue(
            Facts(world),
            (*self.sensors.values(), *more.sensors),
            (*self.actions.values(), *more.actions),
            tuple(self.goals.values()),
            self.ports,
            self.rates,
            self.contributions,
        )

    def parameters(
        self, goal: Goal, words: Mapping[str, str], *, beside: Iterable[str] = ()
    ) -> BaseModel:
        """The goal's parameters from ``key=value`` words, whose values are texts to be parsed.

        Where a text does not do, a list or a mapping may be written as JSON.

        Args:
            goal: The goal.
            words: The parameters that are set.
            beside: Keys that whoever asks takes as well, for the hint about a wrong one.

        Raises:
            UsageError: A key the goal does not have, or a value of the wrong type.
        """
        _check_keys(goal, words, beside)
        with _told(goal):
            try:
                return goal.parameters.model_validate(dict(words))
            except ValidationError as error:
                structured = _structured(words, error)
                if not structured:
                    raise
                return goal.parameters.model_validate({**words, **structured})

    def parameters_of_json(
        self, goal: Goal, values: Mapping[str, JsonValue], *, beside: Iterable[str] = ()
    ) -> BaseModel:
        """The goal's parameters from JSON values, which have to be what the schema says.

        Args:
            goal: The goal.
            values: The parameters that are set.
            beside: Keys that whoever asks takes as well, for the hint about a wrong one.

        Raises:
            UsageError: A key the goal does not have, or a value of the wrong type.
        """
        _check_keys(goal, values, beside)
        with _told(goal):
            return goal.parameters.model_validate_json(json.dumps(dict(values)), strict=True)

    def grounded(self, params: object) -> tuple[Grounded, ...]:
        """Every action offered for these parameters, in order of declaration."""
        return tuple(each.ground(params) for each in self.actions.values() if each.offered(params))

    def relevant(self, goal: Goal, params: object) -> tuple[str, ...]:
        """Facts that can matter to the goal, in the order the world declares them.

        A search backwards from the goal: a fact matters when the goal wants it, or when an action
        needs it that supplies a fact that matters.
        """
        graph = nx.DiGraph()
        for grounded in self.grounded(params):
            for supplied in grounded.effect:
                graph.add_edge(("action", grounded.name), supplied.fact)
            for needed in grounded.needs:
                graph.add_edge(needed.fact, ("action", grounded.name))
        wanted = [condition.fact for condition in goal.conditions(params)]
        graph.add_edges_from((fact, "goal") for fact in wanted)
        reached = nx.ancestors(graph, "goal")
        reached |= {
            need.fact for fact in reached if fact in self.sensors for need in self._seen(fact)
        }
        return tuple(fact for fact in self.facts if fact in reached)

    def _seen(self, fact: str) -> tuple[Condition, ...]:
        return self.sensors[fact].needs


def _check_keys(goal: Goal, values: Mapping[str, object], beside: Iterable[str]) -> None:
    fields = goal.parameters.model_fields
    for key, value in values.items():
        if key not in fields:
            raise UsageError(
                f"the goal {goal.name} has no parameter {key!r}{nearest(key, (*fields, *beside))}",
                fix=command(f"explain {goal.name}"),
            )
        if isinstance(value, str):
            require_text(key, value)


def _structured(words: Mapping[str, str], error: ValidationError) -> dict[str, JsonValue]:
    """The words that are wrong as texts and right as JSON: lists and mappings."""
    values: dict[str, JsonValue] = {}
    for key in {str(each["loc"][0]) for each in error.errors() if each["loc"]}:
        if words.get(key, "").startswith(("[", "{")):
            with suppress(ValueError, RecursionError):
                values[key] = json.loads(words[key])
    return values


@contextmanager
def _told(goal: Goal) -> Iterator[None]:
    """What a parameter model refuses, as an error in a person's words."""
    try:
        yield
    except ValidationError as error:
        problems = "; ".join(_problem(each) for each in error.errors())
        raise UsageError(problems, fix=command(f"explain {goal.name}")) from error


def _problem(error: ErrorDetails) -> str:
    """One error of pydantic as a person reads it."""
    said = error["msg"].removeprefix("Value error, ")
    where = ".".join(str(part) for part in error["loc"])
    # what concerns several parameters has no place, and its input is all of them
    return f"{where}={error['input']!r}: {said}" if where else said


def _by_name(kind: str, pairs: list[tuple[str, Declared]]) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for name, each in pairs:
        if name in found:
            raise UsageError(f"two {kind}s are called {name!r}")
        found[name] = each
    return found
