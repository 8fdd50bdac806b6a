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

from training.judge.gates import LossWatch
from training.judge.sampling import grid_png
from training.learn.learner import Learner, StepReport
from training.learn.photos import Photos, measured_on
from training.runner.attempt import Attempt, Run
from training.runner.progress import Window
from training.runner.saver import Saver
from training.runner.signals import StopFlag
from training.store.checkpoints import CheckpointStore, Restored
from training.store.durable import write_whole
from training.store.result import FileRef

WATCHED_STEPS = 100
"""The first steps are looked at one by one, even where that makes a GPU wait: most mistakes show
there.
"""


class Trainer:
    """Trains in this process.

    Args:
        run: What, where and how.
        attempt: Takes what is measured; it stays readable when training ends with an exception.
    """

    def __init__(self, run: Run, attempt: Attempt) -> None:
        self.attempt = attempt
        self._run, self._config = run, run.config
        train, valid = run.dataset.split()
        device = run.device.torch_device
        self._photos = Photos(run.dataset, train, device, augment=run.config.augment)
        self._held = measured_on(run.dataset, valid, device)
        self._learner = Learner(run.task, run.config, run.execution, run.device, run.group)
        store = CheckpointStore(run.directory.checkpoints_path(run.config.model))
        background = run.execution.background_saves
        self._saver = Saver(
            store,
            run.config,
            run.after_save,
            background=run.device.is_gpu if background is None else background,
        )
        self._watch = LossWatch()
        self._window = Window(run.clock)
        self._began = self._before = 0.0

    def train(self, stop: StopFlag) -> None:
        """Train until the target or until `stop` is raised; what happened is in `attempt`.

        Raises:
            TrainingError: Bad numbers, no memory or no disk; the last checkpoint stays.
        """
        self._restore()
        if self._run.group.is_first:
            self._saver.reserve(self._learner)
        self._window = Window(self._run.clock)
        self._began, self._before = self._window.began, self.attempt.seconds
        while self._learner.step < self._config.steps and self.attempt.stopped is None:
            self._step()
            self._count_seconds(self._run.clock())
            self._at_intervals()
            if self._run.group.agree(stop.reason is not None, self._learner.step):
                self.attempt.stopped = stop.reason or "another process was stopped"
        self._save()
        self.attempt.checkpoint = self._saver.wait()
        if self._learner.step >= self._config.steps:
            self.attempt.stopped = None
            self._examine(stop)

    def _count_seconds(self, now: float) -> None:
        self.attempt.loop_seconds = now - self._began
        self.attempt.seconds = self._before + self.attempt.loop_seconds

    def save_if_whole(self) -> None:
        """Save, unless an exception from outside hit in the middle of an update."""
        if self._learner.consistent and self._learner.step > 0:
            self._save()

    def close(self) -> None:
        """Wait for a checkpoint that is still being written; nothing is raised any more."""
        try:
            self.attempt.checkpoint = self._saver.wait()
        except Exception as error:  # noqa: BLE001 - what ended the attempt is what counts
            self._run.log.warning(f"could not save before ending: {error}")
        finally:
            self._saver.close()

    def _restore(self) -> None:
        found = self._saver.restore(
            lambda path, why: self._run.log.warning(
                f"Checkpoint {path.name} is passed over: {why}"
            ),
            limit=self._run.execution.resume_step,
        )
        if found is None:
            self._run.log.start_over(0)
            self._run.log.info(f"Starting at step 0 of {self._config.steps}")
            self._validate()
            self.attempt.metrics["validation_first"] = self.attempt.metrics["validation_loss"]
            return
        self._learner.load(found.tensors, found.entry.step)
        self.attempt.checkpoint = found.entry
        self._watch = LossWatch(found.state["loss_start"])
        self.attempt.step = found.entry.step
        self.attempt.seconds = found.state["seconds"]
        self.attempt.metrics = dict(found.entry.manifest.metrics)
        self._run.log.start_over(found.entry.step)
        self._run.log.info(f"Resuming at step {found.entry.step} of {self._config.steps}")
        self._say_what_changed(found)

    def _say_what_changed(self, found: Restored) -> None:
        then, now = found.entry.manifest, self._run.device
        for name, old, new in (
            ("precision", then.dtype, now.dtype_name),
            ("threads", str(then.threads), str(now.threads)),
        ):
            if old != new:
                self._run.log.warning(
                    f"{name} was {old} and is {new}: the weights will differ in the last bits"
                )

    def _step(self) -> None:
        images, labels = self._photos.batch(
            self._learner.batch, self._learner.draws(), self._run.group.ranks
        )
        report = self._learner.advance(images, labels)
        self._window.add(report)
        self.attempt.step = self._learner.step
        self.attempt.images += report.images
        if self._learner.step <= WATCHED_STEPS or not self._run.device.is_gpu:
            self._look_at(report)

    def _look_at(self, report: StepReport) -> None:
        loss, norm, signal = report.numbers[:3].tolist()
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
        self.attempt.checkpoint = self._saver.finished()

    def _log_window(self) -> None:
        row = self._close_window()
        # One reading of the clock ends the window and stamps its line: speeds are exactly what the
        # seconds of two lines say.
        self._count_seconds(self._window.began)
        self._run.log.progress(
            {"step": self._learner.step, **row, "seconds": self.attempt.seconds}, self._config.steps
        )

    def _close_window(self) -> dict[str, float]:
        """Judge the window, also the steps that nobody looked at one by one, and return its row."""
        self._watch.observe(self._learner.step, *self._window.totals())
        row = self._window.close(self._run.group)
        self.attempt.metrics |= row
        start = self._watch.start or row["loss"]
        self.attempt.metrics |= {
            "loss_first": start,
            "loss_final": row["loss"],
            "loss_ratio": row["loss"] / start,
        }
        return row

    def _save(self) -> None:
        if len(self._window):
            self._watch.observe(self._learner.step, *self._window.totals())
        if self._run.group.is_first:
            state = {"loss_start": self._watch.start, "seconds": self.attempt.seconds}
            self._saver.save(self._learner, state, self.attempt.metrics)
        self._run.group.wait()

    def _validate(self) -> None:
        with self._learner.averaged() as model, self._run.device.autocast():
            found = self._run.task.validate(model, self._held)
        self._measured(found)

    def _sample(self) -> None:
        with self._learner.averaged() as model, self._run.device.autocast():
            images, found = self._run.task.examples(model, self._held)
        self._measured(found)
        synthetic = self._run.dataset.synthetic
        about = [("training", self._run.directory.key), ("step", str(self._learner.step))]
        about += [("source", "SYNTHETIC")] if synthetic else []
        png = grid_png(images, caption="SYNTHETIC" if synthetic else "", about=about)
        path = self._run.directory.sample_path(self._learner.step)
        if self._run.group.is_first:
            write_whole(path, png)
            self._run.log.sampled(self._learner.step, path)
            self.attempt.sample = FileRef(
                path=path.relative_to(self._run.directory.volume_root).as_posix(),
                sha256=hashlib.sha256(png).hexdigest(),
            )

    def _measured(self, found: dict[str, float]) -> None:
        self.attempt.metrics |= found
        self._run.log.measured(self._learner.step, found)

    def _examine(self, stop: StopFlag) -> None:
        self.attempt.metrics["average_distance"] = self._learner.averages.distance()
        self._validate()
        first = self.attempt.metrics["validation_first"]
        self.attempt.metrics["validation_ratio"] = self.attempt.metrics["validation_loss"] / first
        self._sample()
        self._judge(stop)
        if self.attempt.stopped is None:
            self.attempt.gates = self._run.task.gates(self.attempt.metrics, self._held)

    def _judge(self, stop: StopFlag) -> None:
        """Measure at length. Stopped in the middle, the next attempt does this part again."""
        began, found = self._run.clock(), dict[str, float]()
        seen = measured_on(
            self._run.dataset,
            self._run.dataset.split()[0],
            self._run.device.torch_device,
            most=max(1, self._config.judged_samples),
        )
        with self._learner.averaged() as model, self._run.device.autocast():
            for found in self._run.task.judge(model, self._held, seen):
                if stop.reason is not None and not found:
                    self.attempt.stopped = stop.reason
                    return
        if found:
            self._measured({**found, "judging_seconds": self._run.clock() - began})
