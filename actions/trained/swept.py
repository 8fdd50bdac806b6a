"""The parameters of a sweep: which settings of a training to vary, and its candidates."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

from pydantic import BaseModel, JsonValue, ValidationError, create_model, model_validator

from actions.trained.parameters import TrainedParameters, parameters_of, told
from agents.declare.parameters import canonical_value, how, what
from training.declare.training import Training

__all__ = ["Candidate", "SweptParameters", "default_sweep", "swept_parameters_of"]


@dataclass(frozen=True)
class Candidate:
    """One way to set what is varied.

    Attributes:
        name: What its fact and its action are called after.
        shown: What is varied, as a person writes it.
        settings: All settings of the training.
    """

    name: str
    shown: str
    settings: BaseModel


class SweptParameters(TrainedParameters):
    """What to vary, and how many trainings may run at the same time."""

    sweep: str = what(
        "",
        description="settings and their values: 'lr=1e-3,2e-3 batch=16,32' is four candidates",
    )
    at_once: int = how(2, ge=1, description="trainings at the same time")

    @property
    def training(self) -> Training:
        """The one whose settings are varied."""
        return self.chain[-1]

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        self.candidates()
        return self

    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates, in an order that does not depend on how they are written.

        Raises:
            ValueError: They are less than two, not valid, or two are the same.
        """
        return self._candidates

    def canonical(self, state: Path) -> dict[str, JsonValue]:
        """In place of the words of the sweep, all that the candidates are."""
        listed: list[JsonValue] = [_values(each.settings) for each in self.candidates()]
        return {**super().canonical(state), "sweep": listed}

    @cached_property
    def _candidates(self) -> tuple[Candidate, ...]:
        varied = dict(self._varied(word) for word in self.sweep.split())
        made = [self._candidate(values) for values in _products(varied)]
        if len(made) < 2:
            raise ValueError(f"sweep={self.sweep} is {len(made)} candidates; compare two or more")
        if len({str(_values(each.settings)) for each in made}) < len(made):
            raise ValueError(f"sweep={self.sweep} names the same candidate twice")
        made.sort(key=lambda each: str(_values(each.settings)))
        return tuple(_named_apart(made))

    def _varied(self, word: str) -> tuple[str, list[str]]:
        name, equals, values = word.partition("=")
        training = self.training
        # of one key, so one training and no choice
        same = name in training.not_in_key
        if not equals or name not in training.setting_names or same:
            known = ", ".join(n for n in training.setting_names if n not in training.not_in_key)
            raise ValueError(f"sweep={word}: write SETTING=VALUE,VALUE with one of: {known}")
        return name, values.split(",")

    def _candidate(self, values: Mapping[str, str]) -> Candidate:
        kind = self.training.settings or BaseModel
        given = {**self.given(self.training), **values}
        try:
            settings = kind.model_validate(given)
        except ValidationError as error:
            raise ValueError(f"sweep={self.sweep}: {told(error, {})}") from error
        shown = " ".join(f"{name}={value}" for name, value in values.items())
        return Candidate(re.sub(r"\W+", "_", shown).strip("_"), shown, settings)


def _products(varied: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    for values in itertools.product(*varied.values()) if varied else ():
        yield dict(zip(varied, values, strict=True))


def _values(settings: BaseModel) -> dict[str, JsonValue]:
    return {name: canonical_value(value) for name, value in settings}


def _named_apart(made: list[Candidate]) -> Iterator[Candidate]:
    """What differs by a sign that no name can hold is told apart by a number."""
    seen: dict[str, int] = {}
    for each in made:
        seen[each.name] = count = seen.get(each.name, 0) + 1
        name = each.name if count == 1 else f"{each.name}_{count}"
        yield Candidate(name, each.shown, each.settings)


def default_sweep(training: Training) -> str:
    """A number of the training and half of it: what is varied where nothing is said.

    Empty where it has no such setting, and so nothing to sweep.
    """
    settings = training.settings() if training.settings is not None else None
    for name, value in settings or ():
        fits = isinstance(value, float) and name not in training.not_in_key and value > 0
        if fits and name == (training.learning_rate or name):
            return f"{name}={value:g},{value / 2:g}"
    return ""


def swept_parameters_of(training: Training) -> type[SweptParameters]:
    """The parameters of the goal that finds the best of several."""
    base = parameters_of(training, SweptParameters)
    description = base.model_fields["sweep"].description
    field: Any = (str, what(default_sweep(training), headline=True, description=description))
    made = create_model(f"Best{base.__name__}", __base__=base, __doc__=base.__doc__, sweep=field)
    return cast("type[SweptParameters]", made)
