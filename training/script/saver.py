"""Writing and finding checkpoints from the loop's point of view.

::

    save --> snapshot --> write, commit, prune
              |            in a thread (background) or before `save` returns: the same code
              the loop may change the weights again as soon as `save` returns
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from training.learn.config import TrainingConfig
from training.learn.learner import Learner
from training.store.checkpoints import CheckpointStore, Entry, Restored
from training.store.fit import Tensors
from training.store.manifest import Arithmetic
from training.store.retention import execute, plan_prune, plan_roll_back, policy_of

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Saver:
    """Saves a learner and prunes what is no longer needed; one checkpoint at a time.

    Args:
        store: Where checkpoints are.
        config: Says which to keep.
        after_save: Called when a checkpoint is durable and before older ones are deleted; a
            container commits its volume here. In the background it is called from a thread.
        background: Write while the loop goes on, from a copy of the tensors in host memory: for a
            GPU, which would wait. On a CPU the writing would only take the loop's cores.
    """

    def __init__(
        self,
        store: CheckpointStore,
        config: TrainingConfig,
        after_save: Callable[[], None] | None,
        *,
        background: bool,
    ) -> None:
        self._store, self._config, self._after_save = store, config, after_save
        self._copy = Snapshot() if background else None
        self._pool: Executor = ThreadPoolExecutor(1, "save") if background else _AtOnce()
        self._writing: Future[Entry] | None = None
        self._step = -1
        self.last: Entry | None = None
        """The newest checkpoint known to be durable."""

    def restore(
        self,
        report: Callable[[Path, str], None],
        limit: int | None = None,
        into: Tensors | None = None,
    ) -> Restored | None:
        """Return the newest valid checkpoint, and remember it.

        Args:
            report: Called with each checkpoint that is passed over, and the reason.
            into: Where its tensors are to go.
            limit: Newer ones were judged bad by whoever set it: they are deleted, or the next
                attempt would go on from them.
        """
        restored = self._store.restore(report, limit=limit, into=into)
        if restored is not None:
            self.last, self._step = restored.entry, restored.entry.step
            if limit is not None:
                execute(plan_roll_back(self._store, restored.entry))
        return restored

    def reserve(self, learner: Learner) -> None:
        """Take the host memory for copies now, so that the first save does not wait for it."""
        if self._copy is not None:
            self._copy.reserve(learner.tensors())

    def save(self, learner: Learner, state: dict[str, Any], metrics: dict[str, float]) -> None:
        """Begin to write the learner's checkpoint, unless this very step was saved already.

        Waits for the checkpoint before it, if that is still being written.

        Raises:
            DiskFull: There was no room, now or for the checkpoint before; older checkpoints are
                untouched.
        """
        if self._step == learner.step:
            return
        self.wait()
        tensors: Tensors = learner.tensors()
        if self._copy is not None:
            tensors = self._copy.take(tensors)
        self._writing = self._pool.submit(
            self._write, learner.step, tensors, state, dict(metrics), learner
        )
        self._step = learner.step
        self.finished()

    def finished(self) -> Entry | None:
        """Return the newest durable checkpoint without waiting for one that is being written.

        Raises:
            DiskFull: There was no room for the last one.
        """
        return self.wait() if self._writing is not None and self._writing.done() else self.last

    def wait(self) -> Entry | None:
        """Return the newest durable checkpoint once nothing is being written any more.

        Raises:
            DiskFull: There was no room for the last one.
        """
        if self._writing is not None:
            try:
                self.last = self._writing.result()
            except Exception:
                self._writing, self._step = None, -1  # not saved: the step may be tried again
                raise
            # What is thrown in from outside, while this waits, leaves the write under way.
            self._writing = None
        return self.last

    def close(self) -> None:
        """End the thread, when what it writes is written."""
        self._pool.shutdown()

    def _write(
        self,
        step: int,
        tensors: Tensors,
        state: dict[str, Any],
        metrics: dict[str, float],
        learner: Learner,
    ) -> Entry:
        if self._copy is not None:
            self._copy.arrived()
        entry = self._store.write(
            step,
            tensors,
            state,
            metrics,
            arithmetic=Arithmetic(
                learner.device.dtype_name,
                learner.device.threads,
                learner.micro_batch,
                learner.group.ranks,
            ),
        )
        if self._after_save is not None:
            self._after_save()
        execute(plan_prune(self._store, policy_of(self._config)))
        return entry


class Snapshot:
    """A copy of tensors in host memory, made in the order of the GPU's work.

    The copy is one more piece of work in the GPU's queue: the step after it waits for it there, the
    loop does not. 529 MB take about 20 ms over PCIe 5. The memory is pinned, because a copy into
    any other memory would make the loop wait, and is used again for each copy.
    """

    def __init__(self) -> None:
        self._host: dict[str, dict[str, Tensor]] = {}
        self._event: torch.cuda.Event | None = None

    def reserve(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take the memory that copies of these tensors need."""
        for stem, part in tensors.items():
            held = self._host.setdefault(stem, {})
            for name, tensor in part.items():
                if name not in held:
                    held[name] = torch.empty_like(
                        tensor, device="cpu", pin_memory=tensor.is_cuda, requires_grad=False
                    )

    @torch.no_grad()
    def take(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
        """Return the copies; on a GPU their content is there when `arrived` returns."""
        self.reserve(tensors)
        on_gpu = False
        for stem, part in tensors.items():
            for name, tensor in part.items():
                self._host[stem][name].copy_(tensor, non_blocking=True)
                on_gpu = on_gpu or tensor.is_cuda
        if on_gpu:
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call] # torch has no types here
            self._event.record()
        return self._host

    def arrived(self) -> None:
        """Wait until the copies are complete."""
        if self._event is not None:
            self._event.synchronize()


class _AtOnce(Executor):
    """Does the work in `submit`, so that writing at once and in the background is one code path."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        done: Future[_T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            done.set_exception(error)
        return done
