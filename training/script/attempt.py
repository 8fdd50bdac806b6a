"""What one attempt at a training is made of, and how far it has come."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from training.data.shard import Dataset
from training.judge.judge import Judge
from training.learn.config import Execution, TrainingConfig
from training.learn.device import Device
from training.learn.parallel import Group
from training.learn.task import Task
from training.script.journal import Journal
from training.store.checkpoints import Entry
from training.store.directory import TrainingDirectory
from training.store.result import FileRef, Verdict
from training.store.spec import Spec


@dataclass(frozen=True)
class Attempt:
    """Everything one attempt at a training is made of.

    Attributes:
        directory: Where its records go.
        spec: What to train.
        dataset: What to learn from.
        task: The model and its loss.
        judge: Measures the model.
        execution: How to run this attempt.
        device: Where it computes.
        group: The processes that train together.
        log: Lines for people and rows of metrics.
        after_save: Called when a checkpoint is durable, before older ones go.
        clock: Monotonic seconds.
    """

    directory: TrainingDirectory
    spec: Spec
    dataset: Dataset
    task: Task
    judge: Judge
    execution: Execution
    device: Device
    group: Group
    log: Journal
    after_save: Callable[[], None] | None = None
    clock: Callable[[], float] = time.monotonic

    @property
    def config(self) -> TrainingConfig:
        """All settings."""
        return self.spec.settings


@dataclass
class Reached:
    """How far an attempt has come and what it measured, also when it ends with an exception.

    Attributes:
        step: Steps done, those of earlier attempts included.
        seconds: Seconds of all attempts together.
        images: Images learned from in this attempt.
        loop_seconds: Seconds of this attempt.
        metrics: Newest value of everything measured.
        gates: Decided at the end.
        stopped: Why it was interrupted; None if it was not.
        sample: The newest grid.
        checkpoint: The newest checkpoint known to be whole.
    """

    step: int = 0
    seconds: float = 0.0
    images: int = 0
    loop_seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    gates: list[Verdict] = field(default_factory=list)
    stopped: str | None = None
    sample: FileRef | None = None
    checkpoint: Entry | None = None
