"""Points in a checkpoint store: sealed where they are written, and pruned."""

from collections.abc import Callable

from training.learn.config import TrainingConfig
from training.script.points import Point, Report
from training.store.checkpoints import CheckpointStore, Entry
from training.store.fit import Tensors
from training.store.manifest import Arithmetic
from training.store.retention import execute, plan_prune, plan_roll_back, policy_of

__all__ = ["VolumePoints"]


class VolumePoints:
    """Points of a training on a volume.

    Args:
        store: Where checkpoints are.
        config: Says which to keep.
        after_save: Called when a checkpoint is durable and before older ones are deleted; a
            container commits its volume here. In the background it is called from a thread.
        limit: Newer ones were judged bad by whoever set it: they are deleted, or the next attempt
            would go on from them.

    Attributes:
        last: The newest checkpoint known to be durable.
    """

    def __init__(
        self,
        store: CheckpointStore,
        config: TrainingConfig,
        after_save: Callable[[], None] | None = None,
        limit: int | None = None,
    ) -> None:
        self._store, self._config, self._after_save = store, config, after_save
        self._limit = limit
        self.last: Entry | None = None

    def newest(self, report: Report, into: Tensors) -> Point | None:
        """As `training.script.points.Points`."""
        restored = self._store.restore(report, limit=self._limit, into=into)
        if restored is None:
            return None
        self.last = restored.entry
        if self._limit is not None:
            execute(plan_roll_back(self._store, restored.entry))
        then, state = restored.entry.manifest, restored.state
        return Point(
            restored.entry.step,
            restored.tensors,
            state["loss_start"],
            state["seconds"],
            dict(then.metrics),
            Arithmetic(then.dtype, then.threads, then.micro_batch, then.processes, then.torch),
        )

    def keep(self, point: Point) -> None:
        """As `training.script.points.Points`."""
        self.last = self._store.write(
            point.step,
            point.tensors,
            {"loss_start": point.loss_start, "seconds": point.seconds},
            point.metrics,
            arithmetic=point.arithmetic,
        )
        if self._after_save is not None:
            self._after_save()
        execute(plan_prune(self._store, policy_of(self._config)))
