"""Writing and finding checkpoints from the loop's point of view."""

from collections.abc import Callable
from typing import Any

from training.checkpoints import CheckpointStore, Entry
from training.config import TrainingConfig
from training.learner import Learner


class Saver:
    """Saves a learner and prunes what is no longer needed.

    Args:
        store: Where checkpoints are.
        config: Says which to keep.
        after_save: Called when a checkpoint is durable and before older ones are deleted; a
            container commits its volume here.
    """

    def __init__(
        self, store: CheckpointStore, config: TrainingConfig, after_save: Callable[[], None] | None
    ) -> None:
        self._store, self._config, self._after_save = store, config, after_save
        self.last: Entry | None = None

    def save(self, learner: Learner, state: dict[str, Any], metrics: dict[str, float]) -> Entry:
        """Write the learner's checkpoint, unless this very step is on the disk already.

        Raises:
            DiskFull: There is no room; older checkpoints are untouched.
        """
        if self.last is not None and self.last.step == learner.step:
            return self.last
        self.last = self._store.write(
            learner.step,
            learner.tensors(),
            state,
            metrics,
            dtype=learner.device.dtype_name,
            threads=learner.device.threads,
        )
        if self._after_save is not None:
            self._after_save()
        return self.last
