"""What the loop may do while a checkpoint is written beside it."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from training.learn.config import Execution, resolve
from training.learn.device import choose_device
from training.learn.diffusion import DiffusionTask
from training.learn.learner import Learner
from training.learn.parallel import Group
from training.runner.saver import Saver
from training.store.checkpoints import CheckpointStore, Entry


class SlowDisk(CheckpointStore):
    """Writes nothing before it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.go = threading.Event()

    def write(self, *arguments: Any, **more: Any) -> Entry:
        assert self.go.wait(60)
        return super().write(*arguments, **more)


def test_thrown_out_of_waiting_for_one_checkpoint_the_next_does_not_write_into_it(
    tmp_path: Path,
) -> None:
    """Preempted where a save waits for the one before: both steps are on the disk as they were."""
    config = resolve("dit", "smoke")
    device = choose_device("fp32", threads=1, device="cpu")
    learner = Learner(DiffusionTask(config, 1), config, Execution(), device, Group())
    store = SlowDisk(tmp_path)
    saver = Saver(store, config, None, background=True)

    def step() -> dict[str, torch.Tensor]:
        images = torch.full((config.batch, 16, 16, 3), 0.5)
        learner.advance(images, torch.zeros(config.batch, dtype=torch.long))
        return {name: value.detach().clone() for name, value in learner.model.named_parameters()}

    def preempt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    first = step()
    saver.save(learner, {}, {})
    second = step()
    before = signal.signal(signal.SIGALRM, preempt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            saver.save(learner, {}, {})
    finally:
        signal.signal(signal.SIGALRM, before)
    threading.Timer(0.2, store.go.set).start()
    saver.save(learner, {}, {})
    newest = saver.wait()
    saver.close()
    assert newest is not None
    assert [entry.step for entry in store.entries()] == [1, 2]
    for entry, weights in zip(store.entries(), (first, second), strict=True):
        written = store.read(entry)[0]["model"]
        assert [name for name in weights if not torch.equal(weights[name], written[name])] == []
