"""What the loop may do while a checkpoint is written beside it."""

import signal
import sys
import threading
from pathlib import Path
from traceback import walk_stack
from types import FrameType

import pytest
import torch

from training.learn.config import Execution, resolve
from training.learn.device import choose_device
from training.learn.diffusion import DiffusionTask
from training.learn.learner import Learner
from training.learn.parallel import Group
from training.script.points import Arithmetic, Point
from training.script.saver import Saver
from training.store.tensorfile import read_tensors, write_files


class SlowDisk:
    """Writes nothing before it is told to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.go = threading.Event()

    def newest(self, _into: object) -> None:
        """None: it begins."""

    def keep(self, point: Point) -> None:
        assert self.go.wait(300)
        path = self.root / f"step-{point.step:08d}"
        path.mkdir()
        write_files(path, point.tensors, {})


def point(learner: Learner) -> Point:
    """What is saved of a learner."""
    return Point(learner.step, learner.tensors(), None, 0.0, {}, Arithmetic())


def interrupt_when_it_waits(thread: int) -> None:
    """Send SIGALRM once this thread waits in the saver: no sooner, however slow the machine."""
    pause = threading.Event()
    for _ in range(30_000):
        names = [each.f_code.co_name for each, _ in walk_stack(sys._current_frames()[thread])]
        if names[0] == "wait" and "result" in names and "save" in names:
            signal.pthread_kill(thread, signal.SIGALRM)
            return
        pause.wait(0.01)


def test_thrown_out_of_waiting_for_one_checkpoint_the_next_does_not_write_into_it(
    tmp_path: Path,
) -> None:
    """Preempted where a save waits for the one before: both steps are on the disk as they were."""
    config = resolve("dit", "smoke")
    device = choose_device("fp32", threads=1, device="cpu")
    learner = Learner(DiffusionTask(config, 1), config, Execution(), device, Group())
    store = SlowDisk(tmp_path)
    saver = Saver(store, background=True)

    def step() -> dict[str, torch.Tensor]:
        images = torch.full((config.batch, 16, 16, 3), 0.5)
        learner.advance(images, torch.zeros(config.batch, dtype=torch.long))
        return {name: value.detach().clone() for name, value in learner.model.named_parameters()}

    def preempt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    first = step()
    saver.save(point(learner))
    second = step()
    before = signal.signal(signal.SIGALRM, preempt)
    sender = threading.Thread(target=interrupt_when_it_waits, args=(threading.get_ident(),))
    try:
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            saver.save(point(learner))
        sender.join()
    finally:
        signal.signal(signal.SIGALRM, before)
    store.go.set()
    saver.save(point(learner))
    newest = saver.wait()
    saver.close()
    assert newest == 2
    for number, weights in ((1, first), (2, second)):
        written = read_tensors(tmp_path / f"step-{number:08d}" / "model.safetensors")
        assert [name for name in weights if not torch.equal(weights[name], written[name])] == []
