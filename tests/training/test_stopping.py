"""A signal wherever it comes: the step is finished, the state saved, and the attempt ends."""

import os
import signal
from typing import Any

import pytest
from torch import Tensor, nn

from tests.training.conftest import StopAfter
from training.judge.drawing import DrawingJudge
from training.judge.held import Held
from training.learn.diffusion import DiffusionTask
from training.learn.task import BatchLoss
from training.script.points import Point, RunPoints
from training.store.directory import TrainingDirectory

SETTINGS = {
    "steps": 100,
    "save_every": 4,
    "log_every": 1,
    "sample_every": 6,
    "sample_steps": 1,
    "validate_every": 100,
}
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class SignalsItself(DiffusionTask):
    """Sends this process a signal in the middle of a step."""

    sent: signal.Signals
    where = "step"
    steps = 0

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> BatchLoss:
        if model.training:
            type(self).steps += 1
            if self.where == "step" and self.steps == 6:
                os.kill(os.getpid(), self.sent)
        return super().loss(model, inputs)


class SignalsWhenSampled(DrawingJudge):
    """Sends this process the task's signal while samples are drawn."""

    def examples(self, model: nn.Module, held: Held) -> tuple[Tensor, dict[str, float]]:
        if isinstance(self.task, SignalsItself) and self.task.where == "sample":
            os.kill(os.getpid(), self.task.sent)
        return super().examples(model, held)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(("where", "step"), [("step", 6), ("save", 4), ("sample", 6)])
def test_a_signal_ends_the_attempt_at_the_step_it_came_in(
    bench: Any, where: str, step: int, number: signal.Signals
) -> None:
    class Task(SignalsItself):
        pass

    Task.sent, Task.where = number, where
    directory: TrainingDirectory = bench.make("stopped", **SETTINGS)

    class Points(RunPoints):
        def keep(self, point: Point) -> None:
            super().keep(point)
            saves.append(point.step)
            if where == "save":
                os.kill(os.getpid(), number)

    saves: list[int] = []
    ending = bench.run(
        directory,
        points=Points,
        tasks={"dit": Task},
        judges={"dit": SignalsWhenSampled},
    )
    assert (ending.status, ending.step) == ("interrupted", step)
    assert newest(directory) == step
    assert len(saves) == (1 if where == "save" else 2)  # that of step 4, and the last one


def newest(directory: TrainingDirectory) -> int:
    """The step of the newest valid checkpoint."""
    entry = directory.store().newest_valid()
    assert entry is not None
    return entry.step


def test_stopped_while_the_samples_are_judged_they_are_judged_by_the_next_attempt(
    bench: Any,
) -> None:
    directory = bench.make("judged", steps=2, sample_steps=1, judged_samples=192)

    first = bench.run(directory, stop=StopAfter(3))  # the first look after two steps
    assert (first.status, first.step, first.gates) == ("interrupted", 2, ())
    assert newest(directory) == 2
    second = bench.run(directory)
    assert (second.status, second.step) == ("completed", 2)
    assert "samples_like_photos" in {gate.name for gate in second.gates}
