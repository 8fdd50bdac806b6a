"""What one attempt at a training is made of, and how far it has come."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from training.data.shard import Dataset
from training.judge.judge import Judge
from training.learn.config import Execution, TrainingConfig
from training.learn.device import Device
from training.learn.parallel import Group
from training.learn.task import Task
from training.script.lines import RunLines
from training.script.points import Points


@dataclass(frozen=True)
class Attempt:
    """Everything one attempt at a training is made of.

    Attributes:
        key: The training key.
        config: What to train.
        dataset: What to learn from.
        task: The model and its loss.
        judge: Measures the model.
        execution: How to run this attempt.
        device: Where it computes.
        group: The processes that train together.
        points: Where checkpoints are kept.
        samples: The directory of sample grids.
        log: Lines for people and rows of metrics.
        clock: Monotonic seconds.
    """

    key: str
    config: TrainingConfig
    dataset: Dataset
    task: Task
    judge: Judge
    execution: Execution
    device: Device
    group: Group
    points: Points
    samples: Path
    log: RunLines
    clock: Callable[[], float] = time.monotonic


@dataclass
class Reached:
    """How far an attempt has come and what it measured, also when it ends with an exception.

    Attributes:
        step: Steps done, those of earlier attempts included.
        seconds: Seconds of all attempts together.
        images: Images learned from in this attempt.
        loop_seconds: Seconds of this attempt.
        metrics: Newest value of everything measured.
        stopped: Why it was interrupted; None if it was not.
        sample: The newest grid, with the sha256 of its bytes.
    """

    step: int = 0
    seconds: float = 0.0
    images: int = 0
    loop_seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    stopped: str | None = None
    sample: tuple[Path, str] | None = None
