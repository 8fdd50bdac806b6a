"""Writing and finding checkpoints from the loop's point of view."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.checkpoints import CheckpointStore, Entry, Restored
from training.config import TrainingConfig
from training.learner import Learner
from training.retention import PrunePlan, execute, plan_prune, policy_of


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

    def restore(
        self, report: Callable[[Path, str], None], limit: int | None = None
    ) -> Restored | None:
        """Return the newest valid checkpoint, and remember it.

        Args:
            report: Called with each damaged checkpoint and the reason.
            limit: Newer ones were judged bad by whoever set it: they are deleted, or the next
                attempt would go on from them.
        """
        found = self._store.restore(report, limit=limit)
        if found is not None:
            self.last = found.entry
            newer = tuple(e for e in self._store.entries() if e.step > found.entry.step)
            if limit is not None and newer:
                execute(PrunePlan(self._store.root, (found.entry,), newer, 0, found.entry))
        return found

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
        execute(plan_prune(self._store, policy_of(self._config)))
        return self.last
