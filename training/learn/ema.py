"""Averages of the weights over training, by a power of the step.

Karras et al. (EDM2, https://arxiv.org/abs/2312.02696): the weight of step `s` in the average at
step `n` grows as `(s / n) ** gamma`. The average is as wide as a fixed share of training so far, so
it has no warm-up to forget and no memory of the first steps.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


def gamma_of(std: float) -> float:
    """Return the exponent of the profile of relative width `std` (0 < std < 0.288).

    Found by bisection of `std**2 = (g + 1) / ((g + 2)**2 * (g + 3))`, which falls as g grows.

    >>> round(gamma_of(0.10), 2)
    6.94
    """
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        wide = (middle + 1) / ((middle + 2) ** 2 * (middle + 3)) > std * std
        low, high = (middle, high) if wide else (low, middle)
    return low


def decay(gamma: float, step: int) -> float:
    """Return the share of the old average kept at `step` (from 1): first 0, then nearly 1."""
    return float((1 - 1 / step) ** (gamma + 1))


class Averages:
    """One average of a model's parameters per profile.

    Args:
        model: The model averaged; every average starts as a copy of it.
        stds: Relative widths of the profiles; the first is the one sampled from.
    """

    def __init__(self, model: nn.Module, stds: Iterable[float]) -> None:
        self.stds = tuple(stds)
        self._names = [name for name, _ in model.named_parameters()]
        self._model: list[Tensor] = list(model.parameters())
        self._gammas = [gamma_of(std) for std in self.stds]
        self._averages = [[p.detach().clone() for p in self._model] for _ in self.stds]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` (from 1)."""
        for gamma, average in zip(self._gammas, self._averages, strict=True):
            torch._foreach_lerp_(average, self._model, 1 - decay(gamma, step))

    def swap(self) -> None:
        """Exchange the model's weights with the first average; doing it twice changes nothing."""
        for weight, average in zip(self._model, self._averages[0], strict=True):
            weight.data, average.data = average.data, weight.data

    @torch.no_grad()
    def distance(self) -> float:
        """Return how far the first average is from the weights, relative to their length."""
        apart = torch._foreach_norm(torch._foreach_sub(self._averages[0], self._model))
        length = torch._foreach_norm(self._model)
        return float(torch.stack(apart).norm() / torch.stack(length).norm().clamp_min(1e-12))

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return each average by its file name: `ema` for the first, `ema-0.100` for another."""
        return {
            file_name(std, first=index == 0): dict(zip(self._names, average, strict=True))
            for index, (std, average) in enumerate(zip(self.stds, self._averages, strict=True))
        }

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take the averages from a checkpoint written by `tensors`."""
        for name, average in self.tensors().items():
            for key, value in average.items():
                value.copy_(tensors[name][key])


def file_name(std: float, *, first: bool) -> str:
    """Return the name of a profile's file in a checkpoint."""
    return "ema" if first else f"ema-{std:.3f}"
