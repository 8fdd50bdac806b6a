"""From what a door was given, words or JSON values, to a question."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from agents.command import command
from agents.declare.actions import Goal
from agents.declare.catalogue import Catalogue
from agents.errors import UsageError
from agents.run.question import Question

__all__ = [
    "ENGINE_KEYS",
    "SHORTEST_DIGEST",
    "dollars",
    "question_of_json",
    "question_of_words",
    "words_of",
]

ENGINE_KEYS = ("goal", "state", "max_cost", "plan_digest", "wait", "notify")
"""What any goal takes beside its parameters."""


SHORTEST_DIGEST = 8
"""Fewer characters of a digest do not say which plan was seen."""

_DIGEST = f"^[0-9a-f]{{{SHORTEST_DIGEST},64}}$"


class _Options(BaseModel):
    """What a call may say beside the parameters of its goal."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    max_cost: float | None = Field(None, ge=0, allow_inf_nan=False)
    plan_digest: str | None = Field(None, pattern=_DIGEST)
    wait: float = Field(0.0, ge=0, allow_inf_nan=False)


def question_of_words(
    catalogue: Catalogue, words: Mapping[str, str], state: Path, *, default_goal: str = ""
) -> Question:
    """The question that ``key=value`` words ask.

    Args:
        catalogue: What can be asked for.
        words: The goal, its parameters, and what any goal takes.
        state: The state directory.
        default_goal: What is asked for without ``goal=``.

    Raises:
        UsageError: No goal, an unknown goal or parameter, or a value of the wrong type.
    """
    parameters = dict(words)
    engine = {key: parameters.pop(key) for key in ENGINE_KEYS if key in parameters}
    goal = _goal(catalogue, engine.get("goal") or default_goal)
    params = catalogue.parameters(goal, parameters, beside=ENGINE_KEYS)
    return Question(
        catalogue.unfolded(goal, params),
        goal,
        params,
        state,
        dollars(engine.get("max_cost")),
        _digest(engine.get("plan_digest")),
        _seconds(engine.get("wait")),
        engine.get("notify"),
    )


def question_of_json(
    catalogue: Catalogue, goal: str, values: Mapping[str, JsonValue], state: Path
) -> Question:
    """The question that JSON values ask, which have to be of the types that the schema says.

    Args:
        catalogue: What can be asked for.
        goal: The goal's name.
        values: Its parameters, and what any goal takes.
        state: The state directory.

    Raises:
        UsageError: No goal, an unknown goal or parameter, or a value of the wrong type.
    """
    parameters = dict(values)
    for key in ("goal", "state"):
        if key in parameters:
            raise UsageError(f"{key}= is given twice")
    if "notify" in parameters:  # it may be a command: who only has this door runs none
        raise UsageError("notify= is given by a person: a word of run, or in the environment")
    options = {key: parameters.pop(key) for key in ENGINE_KEYS if key in parameters}
    declared = _goal(catalogue, goal)
    params = catalogue.parameters_of_json(declared, parameters, beside=ENGINE_KEYS)
    try:
        said = _Options.model_validate_json(json.dumps(options))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0]}={first['input']!r}: {first['msg']}") from error
    unfolded = catalogue.unfolded(declared, params)
    return Question(unfolded, declared, params, state, **dict[str, Any](said))


def words_of(goal: str, values: Mapping[str, JsonValue]) -> list[str]:
    """``key=value`` words of a goal and its values.

    What could be read in another way than it was meant is another request: the digest of the plan
    that was seen refuses it.
    """
    said = {key: each for key, each in values.items() if each is not None}
    return [f"goal={goal}", *(f"{key}={_written(each)}" for key, each in said.items())]


def _written(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _goal(catalogue: Catalogue, name: str) -> Goal:
    if not name:
        names = ", ".join(catalogue.goals)
        raise UsageError(
            f"no goal given; the goals are: {names}",
            fix=command(f"plan goal={next(iter(catalogue.goals))}"),
        )
    return catalogue.goal(name)


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


def _digest(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(_DIGEST, text):
        raise UsageError(
            f"plan_digest={text} does not say which plan was seen: it takes "
            f"{SHORTEST_DIGEST} hex digits or more",
            fix=command("plan") + " with the same words shows it",
        )
    return text


def _seconds(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"wait={text} is not a number of seconds", fix="wait=600")
    return value
