"""The learning rate of a step."""

from itertools import pairwise

import pytest

from training.learn.learning_rate import learning_rate

SETTINGS = {"peak": 2e-3, "steps": 1_000, "warmup_steps": 50, "constant_until": 0.4}


def test_the_rate_rises_over_the_warm_up_stays_and_falls_to_nothing() -> None:
    rates = [learning_rate(step, **SETTINGS) for step in range(1_000)]
    assert rates[0] == pytest.approx(2e-3 / 50)
    assert rates[49:401] == [2e-3] * 352
    assert all(a < b for a, b in pairwise(rates[:50]))
    assert all(a > b for a, b in pairwise(rates[401:]))
    assert rates[700] == pytest.approx(1e-3)
    assert rates[-1] < 1e-7


def test_the_rate_never_exceeds_its_peak_wherever_a_run_is_resumed() -> None:
    assert max(learning_rate(step, **SETTINGS) for step in range(1_100)) == 2e-3


@pytest.mark.parametrize("warmup_steps", [0, 1, 10, 100])
def test_any_warm_up_fits_any_length(warmup_steps: int) -> None:
    settings = {**SETTINGS, "steps": 10, "warmup_steps": warmup_steps}
    assert all(0 <= learning_rate(step, **settings) <= 2e-3 for step in range(11))


def test_a_rate_that_is_constant_to_the_end_stays_so() -> None:
    settings = {**SETTINGS, "constant_until": 1.0}
    assert learning_rate(999, **settings) == 2e-3
