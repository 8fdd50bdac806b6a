"""Averages of the weights."""

import pytest
import torch
from torch import nn

from training.learn.ema import Averages, decay, gamma_of


def walk(
    averages_of: nn.Linear, stds: tuple[float, ...], steps: int
) -> tuple[Averages, torch.Tensor]:
    """Average a weight that walks at random; returns the averages and where it was."""
    averages = Averages(averages_of, stds)
    history = []
    torch.manual_seed(0)
    for step in range(1, steps + 1):
        with torch.no_grad():
            averages_of.weight += torch.randn(1, 1)
        averages.update(step)
        history.append(float(averages_of.weight.detach()))
    return averages, torch.tensor(history, dtype=torch.float64)


@pytest.mark.parametrize(("std", "gamma"), [(0.05, 16.97), (0.10, 6.94), (0.15, 3.56)])
def test_the_exponent_is_the_one_of_the_paper(std: float, gamma: float) -> None:
    assert gamma_of(std) == pytest.approx(gamma, abs=0.02)


@pytest.mark.parametrize("std", [0.05, 0.10])
def test_the_average_weighs_a_step_by_a_power_of_its_number(std: float) -> None:
    averages, history = walk(nn.Linear(1, 1, bias=False), (std,), 200)
    steps = torch.arange(1, 201, dtype=torch.float64)
    edges = (steps / 200) ** (gamma_of(std) + 1)
    weights = torch.diff(edges, prepend=torch.zeros(1, dtype=torch.float64))
    exact = torch.prod(torch.tensor([decay(gamma_of(std), s) for s in range(2, 201)])).item()
    assert sum(weights.tolist()) == pytest.approx(1)
    assert exact == pytest.approx(edges[0].item(), rel=1e-3)
    found = float(averages.tensors()["ema"]["weight"])
    assert found == pytest.approx(float((weights * history).sum()), rel=1e-3)


def test_the_average_is_not_the_model_and_is_smoother() -> None:
    model = nn.Linear(1, 1, bias=False)
    averages, history = walk(model, (0.10,), 300)
    assert float(averages.tensors()["ema"]["weight"]) != float(model.weight.detach())
    assert averages.distance() > 1e-3
    assert len(history) == 300


def test_the_first_step_leaves_nothing_of_the_initial_weights() -> None:
    model = nn.Linear(2, 2)
    averages = Averages(model, (0.05,))
    with torch.no_grad():
        model.weight += 1
    averages.update(1)
    assert torch.equal(averages.tensors()["ema"]["weight"], model.weight)


def test_wider_profiles_have_files_of_their_own() -> None:
    averages, _ = walk(nn.Linear(1, 1), (0.05, 0.10), 50)
    files = averages.tensors()
    assert sorted(files) == ["ema", "ema-0.100"]
    assert not torch.equal(files["ema"]["weight"], files["ema-0.100"]["weight"])


def test_swapping_twice_changes_nothing() -> None:
    model = nn.Linear(1, 1, bias=False)
    averages, _ = walk(model, (0.10,), 20)
    trained, averaged = model.weight.clone(), averages.tensors()["ema"]["weight"].clone()
    averages.swap()
    assert torch.equal(model.weight, averaged)
    averages.swap()
    assert torch.equal(model.weight, trained)
    assert torch.equal(averages.tensors()["ema"]["weight"], averaged)
