"""What a trained model is measured by: the seam between the runner and the two kinds of models."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol, TypeAlias

from torch import Tensor, nn

from training.judge.breeds import BreedJudge
from training.judge.drawing import DrawingJudge
from training.judge.held import Held
from training.learn.config import TrainingConfig
from training.learn.task import Task

__all__ = ["JUDGES", "Judge", "MakeJudge"]


class Judge(Protocol):
    """Measures one kind of model; nothing it does changes a weight."""

    def validate(self, model: nn.Module, held: Held) -> dict[str, float]:
        """Return measurements on held-out photos; the same model gives the same numbers."""
        ...

    def examples(self, model: nn.Module, held: Held) -> tuple[Tensor, dict[str, float]]:
        """Return images to look at `[N, S, S, 3]`, and what was measured on them."""
        ...

    def judge(self, model: nn.Module, held: Held, seen: Held) -> Iterator[dict[str, float]]:
        """Measure a finished model at length: give nothing after each piece of work, then all.

        Args:
            model: The averaged model.
            held: Photos kept out of training.
            seen: Photos trained on, for comparison.
        """
        ...


MakeJudge: TypeAlias = Callable[[TrainingConfig, int, Task], Judge]

JUDGES: Mapping[str, MakeJudge] = MappingProxyType({"dit": DrawingJudge, "classifier": BreedJudge})
"""Model name to who measures it, made from configuration, number of classes and task."""
