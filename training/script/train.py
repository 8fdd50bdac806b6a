"""One attempt at a training, from what is on the volume to a result on the volume."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import torch

from training.data.shard import Dataset, load_whole
from training.errors import ConfigError, DiskFull, FailureClass, OutOfMemory, TrainingError
from training.judge.gates import verdicts_of
from training.judge.judge import JUDGES, MakeJudge
from training.key import config_digest, source_digest
from training.key_parts import key_settings
from training.learn.config import Execution
from training.learn.device import choose_device
from training.learn.loop import TASKS, MakeTask
from training.learn.parallel import joined
from training.script.attempt import Attempt, Reached
from training.script.endings import as_training_error, forget_frames, free_memory
from training.script.journal import Journal
from training.script.signals import StopFlag
from training.script.threads import suited_threads
from training.script.trainer import Trainer
from training.script.volume_points import VolumePoints
from training.store.adjustments import adjustments_of, read_adjustments
from training.store.directory import TrainingDirectory
from training.store.result import CheckpointRef, DatasetRef, Failure, FileRef, Result
from training.store.spec import Spec


def train(
    volume_root: Path,
    key: str,
    *,
    execution: Execution | None = None,
    stop: StopFlag | None = None,
    after_save: Callable[[], None] | None = None,
    tasks: Mapping[str, MakeTask] = TASKS,
    judges: Mapping[str, MakeJudge] = JUDGES,
) -> Result:
    """Run the training `key` until its target, a stop, or a failure, and return its result.

    The result is on the volume when this returns; a failure is a result with status `failed`.

    Args:
        volume_root: The directory of the volume.
        key: The training, which is described on the volume.
        execution: How to run this attempt; by default as was adjusted.
        stop: Raised by the caller to end early; by default only the deadline of `execution` does.
        after_save: Called when a checkpoint is durable, before older ones are deleted.
        tasks: The models known.
        judges: Who measures each of them.

    Raises:
        ConfigError: There is no such training on the volume.
        DatasetError: Its dataset is missing or damaged.
        BaseException: Whatever was thrown into the process from outside (`KeyboardInterrupt`, a
            cancellation by Modal) is raised again when the state is saved and the result written.
    """
    directory = TrainingDirectory.local(volume_root, key)
    spec, dataset = _what_to_train(directory)
    config = spec.settings
    execution = execution or adjustments_of(read_adjustments(directory))
    done = directory.read_result()
    if done is not None and done.status == "completed":
        return done
    with joined() as group:
        flag = stop or StopFlag(execution.deadline_seconds)
        threads = execution.threads or suited_threads(config)
        device = choose_device(config.precision, threads, execution.device)
        task = tasks[config.model](config, len(dataset.classes))
        log = Journal(
            directory,
            quiet=not group.is_first,
            memory=device.memory,
            track=execution.track,
            course=f"lr_scale {execution.lr_scale:g}",
        )
        attempt = Attempt(
            directory.key,
            config,
            dataset,
            task,
            judges[config.model](config, len(dataset.classes), task),
            execution,
            device,
            group,
            VolumePoints(directory.store(spec), config, after_save, execution.resume_step),
            directory.sample_path(0).parent,
            log,
        )
        return _Carrier(attempt, directory, spec, log).carried(flag)


def _what_to_train(directory: TrainingDirectory) -> tuple[Spec, Dataset]:
    spec = directory.read_spec()
    if spec is None:
        raise ConfigError(
            f"no training {directory.key} in {directory.root}",
            fix=f"python -m training list --volume {directory.root}",
            code="training_missing",
        )
    dataset = load_whole(directory.root, spec.data)
    if dataset.image_size != spec.settings.image_size:
        raise ConfigError(
            f"dataset {spec.data[:12]} has {dataset.image_size} px, "
            f"the training {spec.settings.image_size} px",
            fix=f"python -m training prepare --image-size {spec.settings.image_size}",
        )
    return spec, dataset


@dataclass(frozen=True)
class _Carrier:
    """Trains, and writes a result whatever happens."""

    attempt: Attempt
    directory: TrainingDirectory
    spec: Spec
    log: Journal

    def carried(self, stop: StopFlag) -> Result:
        attempt, began = self.attempt, _now()
        if attempt.group.is_first:
            self.directory.begin_attempt()
        reached = Reached()
        failure: TrainingError | None = None
        thrown: BaseException | None = None
        trainer: Trainer | None = None
        try:
            with stop.listening():
                trainer = Trainer(attempt, reached)
                trainer.train(stop)
        except TrainingError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - the top of a training: recorded, and raised again below
            failure, thrown = as_training_error(attempt, error), error
        except BaseException as error:  # noqa: BLE001 - thrown in from outside: save, record, let it go on
            reached.stopped, thrown = type(error).__name__, error
            try:
                if trainer is not None:
                    trainer.save_if_whole()
            except TrainingError as unsaved:
                attempt.log.warning(f"could not save before ending: {unsaved}")
        finally:
            if trainer is not None:
                trainer.close()
            del trainer
            forget_frames(failure)
            free_memory()
        result = self._result(reached, failure, began)
        self._finish(result)
        if thrown is not None and not isinstance(failure, OutOfMemory):
            raise thrown
        return result

    def _result(self, reached: Reached, error: TrainingError | None, began: str) -> Result:
        attempt, dataset = self.attempt, self.attempt.dataset
        earlier = self.directory.read_result()
        status: Literal["failed", "interrupted", "completed"] = (
            "failed" if error else "interrupted" if reached.stopped else "completed"
        )
        done = status == "completed"
        return Result(
            training_key=attempt.key,
            model=attempt.config.model,
            preset=attempt.config.preset,
            dataset=DatasetRef(
                name=self.spec.label,
                kind=dataset.kind,
                digest=dataset.digest,
                images=len(dataset),
                classes=len(dataset.classes),
                skipped=dataset.skipped,
            ),
            status=status,
            step=reached.step,
            target_step=attempt.config.steps,
            failure=_failure(reached, error),
            metrics=reached.metrics,
            gates=verdicts_of(attempt.config, reached.metrics) if done else [],
            checkpoint=self._checkpoint(),
            samples=self._sample(reached),
            seconds=reached.seconds,
            images_per_second=reached.images / reached.loop_seconds if reached.loop_seconds else 0,
            device=attempt.device.name,
            dtype=attempt.device.dtype_name,
            threads=attempt.device.threads,
            attempts=self.directory.attempts,
            started=earlier.started if earlier else began,
            ended=_now(),
            config_digest=config_digest(key_settings(attempt.config)),
            source_digest=source_digest(),
            torch=torch.__version__,
        )

    def _checkpoint(self) -> CheckpointRef | None:
        points = self.attempt.points
        entry = points.last if isinstance(points, VolumePoints) else None
        if entry is None:
            return None
        path = self.directory.checkpoint_name(entry.step)
        return CheckpointRef(path=path, step=entry.step, sha256=entry.sha256)

    def _sample(self, reached: Reached) -> FileRef | None:
        if reached.sample is None:
            return None
        path, sha256 = reached.sample
        return FileRef(path=path.relative_to(self.directory.root).as_posix(), sha256=sha256)

    def _finish(self, result: Result) -> None:
        """Write the result; on a full disk say so and leave the exit code to tell the rest."""
        if not self.attempt.group.is_first:
            return
        try:
            self.directory.write_result(result)
        except DiskFull as error:
            self.log.warning(str(error))
        self.log.ended(result)


def _failure(reached: Reached, error: TrainingError | None) -> Failure | None:
    if error is not None:
        return Failure(
            failure_class=error.failure_class,
            name=error.code,
            message=str(error),
            step=reached.step,
        )
    if reached.stopped is not None:
        return Failure(
            failure_class=FailureClass.INTERRUPTED,
            name="interrupted",
            message=f"stopped by {reached.stopped}; the next attempt goes on from the checkpoint",
            step=reached.step,
        )
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
