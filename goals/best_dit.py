"""The goal: the best of several TinyDiTs, trained at the same time."""

import itertools
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import JsonValue, model_validator

from agents.declare.actions import Goal
from agents.declare.parameters import canonical_value, how, what
from goals.parameters import TrainingParameters, training_parameters
from goals.world import MOST_CANDIDATES, F
from training.errors import ConfigError
from training.learn.config import TrainingConfig, resolve
from training.own import NOT_IN_KEY

__all__ = ["SweepParameters", "best_dit"]

_SAME = ("model", "preset", "image_size")
"""What the configurations of a sweep share: else they would not be compared on the same photos."""


class SweepParameters(TrainingParameters):
    """What to vary, and how many trainings may run at the same time."""

    sweep: str = what(
        "learning_rate=1e-3,2e-3",
        description="settings and their values: 'learning_rate=1e-3,2e-3 batch=16,32' is four "
        "configurations",
    )
    at_once: int = how(2, ge=1, le=MOST_CANDIDATES, description="trainings at the same time")

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        self.candidates()
        return self

    def candidates(self) -> tuple[TrainingConfig, ...]:
        """The configurations, in an order that does not depend on how they are written.

        Raises:
            ValueError: They are none, too many, not valid, or two are the same.
        """
        return self._candidates

    def canonical(self, state: Path) -> dict[str, JsonValue]:
        """In place of the words of the sweep, by what each configuration differs from the rest."""
        base = dict(self.config())
        differences: list[JsonValue] = [
            {name: canonical_value(value) for name, value in each if value != base[name]}
            for each in self.candidates()
        ]
        return {**super().canonical(state), "sweep": differences}

    @cached_property
    def _candidates(self) -> tuple[TrainingConfig, ...]:
        varied = [_varied(word) for word in self.sweep.split()]
        found: list[TrainingConfig] = []
        for values in itertools.product(*(values for _, values in varied)):
            settings = dict(zip((name for name, _ in varied), values, strict=True))
            try:
                found.append(resolve(self.model, self.preset, {**self._overrides(), **settings}))
            except ConfigError as error:
                raise ValueError(f"sweep={self.sweep}: {error.message}") from error
        if not 2 <= len(found) <= MOST_CANDIDATES:
            raise ValueError(
                f"sweep={self.sweep} is {len(found) if varied else 0} configurations; "
                f"from 2 to {MOST_CANDIDATES} can be compared"
            )
        if len(set(map(str, found))) < len(found):
            raise ValueError(f"sweep={self.sweep} names the same configuration twice")
        return tuple(sorted(found, key=lambda each: tuple(dict(each).values())))


def _varied(word: str) -> tuple[str, list[str]]:
    name, equals, values = word.partition("=")
    same = name in _SAME or name in NOT_IN_KEY  # of one key, so one training and no choice
    if not equals or name not in TrainingConfig.model_fields or same:
        raise ValueError(f"sweep={word}: write SETTING=VALUE,VALUE with a setting of the preset")
    return name, values.split(",")


best_dit = Goal(
    "best_dit",
    "The best of several TinyDiTs by validation loss, trained at once, durable, documented",
    lambda _: (F.best_chosen, F.documented),
    training_parameters("dit", SweepParameters),
    capacity=lambda params: {"gpu": params.at_once},
)
