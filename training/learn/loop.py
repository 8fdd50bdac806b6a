"""The order in which a model learns: photos, then random numbers, then one step."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from training.data.shard import Dataset
from training.learn.classifier import ClassifierTask
from training.learn.config import Execution, TrainingConfig
from training.learn.device import Device
from training.learn.diffusion import DiffusionTask
from training.learn.learner import Learner, StepReport
from training.learn.parallel import Group
from training.learn.photos import Photos
from training.learn.task import Task

__all__ = ["TASKS", "Loop", "MakeTask"]

MakeTask: TypeAlias = Callable[[TrainingConfig, int], Task]

TASKS: Mapping[str, MakeTask] = MappingProxyType(
    {"dit": DiffusionTask, "classifier": ClassifierTask}
)
"""Model name to the task that trains it, made from the configuration and the number of classes."""


class Loop:
    """A model that learns from photos, one step after the other.

    Everything random in a step depends on its number only, so a loop that goes on from a checkpoint
    does what the unbroken one would have done.

    Args:
        task: Which model, which loss.
        config: What to train.
        dataset: What to learn from.
        execution: How to run it.
        device: Where.
        group: The processes that train together.
    """

    def __init__(
        self,
        task: Task,
        config: TrainingConfig,
        dataset: Dataset,
        execution: Execution,
        device: Device,
        group: Group,
    ) -> None:
        train, _ = dataset.split()
        self._photos = Photos(dataset, train, device.torch_device, augment=config.augment)
        self._ranks = group.ranks
        self._target = config.steps
        self.learner = Learner(task, config, execution, device, group)

    @property
    def finished(self) -> bool:
        """Whether the last step is done."""
        return self.learner.step >= self._target

    def step(self) -> StepReport:
        """Learn from the next batch.

        Raises:
            OutOfMemory: The batch does not fit; nothing was changed.
        """
        learner = self.learner
        images, labels = self._photos.batch(learner.batch, learner.draws(), self._ranks)
        return learner.advance(images, labels)
