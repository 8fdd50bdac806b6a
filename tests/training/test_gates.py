"""What stops a training, and what decides at its end."""

import math

import pytest

from training.errors import FailureClass, LossCollapsed, LossDiverged, LossNotFinite, TrainingError
from training.judge.gates import LossWatch
from training.runner.gates import Gate


def seen(*losses: float) -> LossWatch:
    watch = LossWatch()
    for step, loss in enumerate(losses, 1):
        watch.observe(step, loss, 1.0, 1.0)
    return watch


def test_a_loss_that_falls_as_it_should_is_left_alone() -> None:
    assert seen(1.0, 0.8, 0.9, 0.3, 0.2, 0.01).start == 1.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_numbers_that_are_not_finite_stop_the_training(bad: float, where: str) -> None:
    loss, norm = (bad, 1.0) if where == "loss" else (1.0, bad)
    with pytest.raises(LossNotFinite, match="step 7") as caught:
        seen(1.0).observe(7, loss, norm, 1.0)
    assert caught.value.failure_class is FailureClass.NUMERIC
    assert "learning_rate_scale" in caught.value.fix


def test_a_loss_of_zero_from_the_first_step_has_collapsed() -> None:
    with pytest.raises(LossCollapsed, match="step 1"):
        LossWatch().observe(1, 0.0, 0.0, 0.0)


def test_a_loss_that_falls_by_ten_thousand_in_a_hundred_steps_has_collapsed() -> None:
    with pytest.raises(LossCollapsed, match="nothing to learn"):
        seen(1.0, 0.1, 0.01, 1e-4)


def test_a_small_loss_late_in_training_is_an_achievement() -> None:
    seen(1.0).observe(101, 1e-5, 1.0, 1.0)


def test_a_loss_far_above_its_start_has_diverged() -> None:
    with pytest.raises(LossDiverged, match="10 times"):
        seen(1.0, 2.0, 9.9, 10.1)


def test_a_resumed_training_is_judged_by_its_own_start() -> None:
    watch = LossWatch(start=0.5)
    with pytest.raises(TrainingError):
        watch.observe(400, 5.1, 1.0, 1.0)
    LossWatch(start=0.5).observe(400, 4.9, 1.0, 1.0)


@pytest.mark.parametrize(
    ("direction", "value", "passed"),
    [(">=", 0.5, True), (">=", 0.4, False), ("<=", 0.5, True), ("<=", 0.6, False)],
)
def test_a_gate_compares_and_says_what_it_compared(
    direction: str, value: float, passed: bool
) -> None:
    found = Gate("m", direction, 0.5, "g").verdict({"m": value})  # type: ignore[arg-type]
    assert (found.name, found.metric, found.value, found.threshold, found.passed) == (
        "g",
        "m",
        value,
        0.5,
        passed,
    )


@pytest.mark.parametrize("direction", [">=", "<="])
def test_nan_passes_no_gate(direction: str) -> None:
    assert not Gate("m", direction, 0.5, "g").verdict({"m": math.nan}).passed  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", [">=", "<="])
def test_what_was_never_measured_passes_no_gate(direction: str) -> None:
    assert not Gate("m", direction, 0.5, "g").verdict({"other": 0.5}).passed  # type: ignore[arg-type]
