"""The loop: one attempt at a training, from wherever the volume says it got to.

::

    restore -> step, step, step ... -> save -> examine
                 |  every log_every: a line        ^
                 |  every save_every: a checkpoint |
                 |  a signal, the deadline --------+  interrupted: saved, not examined
                 |  bad numbers, no memory, no disk:  failed; the last checkpoint stays

Everything random depends on the step only, so an attempt that continues does what the unbroken one
would have done.
"""

import hashlib

import torch

from training.judge.gates import LossWatch
from training.judge.held import measured_on
from training.judge.sampling import grid_png
from training.learn.learner import StepReport
from training.learn.loop import Loop
from training.runner.signals import Stop
from training.script.attempt import Attempt, Reached
from training.script.points import Arithmetic, Point
from training.script.progress import Window
from training.script.saver import Saver
from training.store.durable import write_whole
from training.store.names import step_name

WATCHED_STEPS = 100
"""The first steps are looked at one by one, even where that makes a GPU wait: most mistakes show
there.
"""


class Trainer:
    """Trains in this process.

    Args:
        attempt: What, where and how.
        reached: Takes what is measured; it stays readable when training ends with an exception.
    """

    def __init__(self, attempt: Attempt, reached: Reached) -> None:
        self.reached = reached
        self._attempt, self._config = attempt, attempt.config
        _, valid = attempt.dataset.split()
        device = attempt.device.torch_device
        self._held = measured_on(attempt.dataset, valid, device)
        self._loop = Loop(
            attempt.task,
            attempt.config,
            attempt.dataset,
            attempt.execution,
            attempt.device,
            attempt.group,
        )
        self._learner = self._loop.learner
        background = attempt.execution.background_saves
        self._saver = Saver(
            attempt.points, background=attempt.device.is_gpu if background is None else background
        )
        self._watch = LossWatch()
        self._window = Window(attempt.clock)
        self._began = self._before = 0.0

    def train(self, stop: Stop) -> None:
        """Train until the target or until `stop` is raised; what happened is in `reached`.

        Raises:
            TrainingError: Bad numbers, no memory or no disk; the last checkpoint stays.
        """
        self._restore()
        if self._attempt.group.is_first:
            self._saver.reserve(self._learner.tensors())
        self._window = Window(self._attempt.clock)
        self._began, self._before = self._window.began, self.reached.seconds
        while not self._loop.finished and self.reached.stopped is None:
            self._step()
            self._count_seconds(self._attempt.clock())
            self._at_intervals()
            if self._attempt.group.agree(stop.reason is not None, self._learner.step):
                self.reached.stopped = stop.reason or "another process was stopped"
        self._save()
        self._saver.wait()
        if self._loop.finished:
            self.reached.stopped = None
            self._examine(stop)

    def _count_seconds(self, now: float) -> None:
        self.reached.loop_seconds = now - self._began
        self.reached.seconds = self._before + self.reached.loop_seconds

    def close(self) -> None:
        """Wait for a checkpoint that is still being written; nothing is raised any more."""
        try:
            self._saver.wait()
        except Exception as error:  # noqa: BLE001 - what ended the attempt is what counts
            self._attempt.log.warning(f"could not save before ending: {error}")
        finally:
            self._saver.close()

    def _restore(self) -> None:
        found = self._saver.restore(self._learner.tensors())
        if found is None:
            self._validate()
            self.reached.metrics["validation_first"] = self.reached.metrics["validation_loss"]
            return
        self._learner.load(found.tensors, found.step)
        self._watch = LossWatch(found.loss_start)
        self.reached.step = found.step
        self.reached.seconds = found.seconds
        self.reached.metrics = dict(found.metrics)
        self._say_what_changed(found.arithmetic)

    def _arithmetic(self) -> Arithmetic:
        device = self._attempt.device
        return Arithmetic(
            device.dtype_name,
            device.threads,
            self._learner.micro_batch,
            self._attempt.group.ranks,
            torch.__version__,
        )

    def _say_what_changed(self, then: Arithmetic) -> None:
        now = self._arithmetic()
        for name, old, new in (
            ("precision", then.dtype, now.dtype),
            ("threads", then.threads, now.threads),
            ("micro-batch", then.micro_batch, now.micro_batch),
            ("number of processes", then.processes, now.processes),
            ("torch", then.torch, now.torch),
        ):
            if old not in (None, "") and old != new:
                self._attempt.log.warning(
                    f"{name} was {old} and is {new}: the weights will differ in the last bits"
                )

    def _step(self) -> None:
        report = self._loop.step()
        self._window.add(report)
        self.reached.step = self._learner.step
        self.reached.images += report.images
        if self._learner.step <= WATCHED_STEPS or not self._attempt.device.is_gpu:
            self._look_at(report)

    def _look_at(self, report: StepReport) -> None:
        loss, norm, signal = report.tally.headline()
        self._watch.observe(self._learner.step, loss, norm, signal)

    def _at_intervals(self) -> None:
        step, config = self._learner.step, self._config
        if step % config.log_every == 0 or step == config.steps:
            self._log_window()
        if step % config.validate_every == 0 and step < config.steps:
            self._validate()
        if step % config.sample_every == 0 and step < config.steps:
            self._sample()
        if step % config.save_every == 0:
            self._save()
        self._saver.finished()

    def _log_window(self) -> None:
        row = self._close_window()
        # One reading of the clock ends the window and stamps its line: speeds are exactly what the
        # seconds of two lines say.
        self._count_seconds(self._window.began)
        self._attempt.log.progress(
            {"step": self._learner.step, **row, "seconds": self.reached.seconds}, self._config.steps
        )

    def _close_window(self) -> dict[str, float]:
        """Judge the window, also the steps that nobody looked at one by one, and return its row."""
        self._watch.observe(self._learner.step, *self._window.totals())
        row = self._window.close(self._attempt.group)
        self.reached.metrics |= row
        start = self._watch.start or row["loss"]
        self.reached.metrics |= {
            "loss_first": start,
            "loss_final": row["loss"],
            "loss_ratio": row["loss"] / start,
        }
        return row

    def _save(self) -> None:
        if len(self._window):
            self._watch.observe(self._learner.step, *self._window.totals())
        if self._attempt.group.is_first:
            self._saver.save(
                Point(
                    self._learner.step,
                    self._learner.tensors(),
                    self._watch.start,
                    self.reached.seconds,
                    dict(self.reached.metrics),
                    self._arithmetic(),
                )
            )
        self._attempt.group.wait()

    def _validate(self) -> None:
        with self._learner.averaged() as model, self._attempt.device.autocast():
            found = self._attempt.judge.validate(model, self._held)
        self._measured(found)

    def _sample(self) -> None:
        with self._learner.averaged() as model, self._attempt.device.autocast():
            images, found = self._attempt.judge.examples(model, self._held)
        self._measured(found)
        synthetic = self._attempt.dataset.synthetic
        about = [("training", self._attempt.key), ("step", str(self._learner.step))]
        about += [("source", "SYNTHETIC")] if synthetic else []
        png = grid_png(images, caption="SYNTHETIC" if synthetic else "", about=about)
        path = self._attempt.samples / f"{step_name(self._learner.step)}.png"
        if self._attempt.group.is_first:
            write_whole(path, png)
            self._attempt.log.info(f"Step {self._learner.step} | samples in {path}")
            self.reached.sample = (path, hashlib.sha256(png).hexdigest())

    def _measured(self, found: dict[str, float]) -> None:
        self.reached.metrics |= found
        self._attempt.log.measured(self._learner.step, found)

    def _examine(self, stop: Stop) -> None:
        self.reached.metrics["average_distance"] = self._learner.averages.distance()
        self._validate()
        first = self.reached.metrics["validation_first"]
        self.reached.metrics["validation_ratio"] = self.reached.metrics["validation_loss"] / first
        self._sample()
        self._judge(stop)

    def _judge(self, stop: Stop) -> None:
        """Measure at length. Stopped in the middle, the next attempt does this part again."""
        began, found = self._attempt.clock(), dict[str, float]()
        seen = measured_on(
            self._attempt.dataset,
            self._attempt.dataset.split()[0],
            self._attempt.device.torch_device,
            most=max(1, self._config.judged_samples),
        )
        with self._learner.averaged() as model, self._attempt.device.autocast():
            for found in self._attempt.judge.judge(model, self._held, seen):
                if stop.reason is not None and not found:
                    self.reached.stopped = stop.reason
                    return
        if found:
            self._measured({**found, "judging_seconds": self._attempt.clock() - began})
