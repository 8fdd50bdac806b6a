"""Saving from the loop's point of view: one point at a time, and the loop goes on.

::

    save --> snapshot --> keep
              |            in a thread (background) or before `save` returns: the same code
              the loop may change the weights again as soon as `save` returns
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from training.script.points import Point, Points
from training.store.fit import Tensors

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Saver:
    """Keeps points, one at a time.

    Args:
        points: Where they are kept.
        background: Write while the loop goes on, from a copy of the tensors in host memory: for a
            GPU, which would wait. On a CPU the writing would only take the loop's cores.
    """

    def __init__(self, points: Points, *, background: bool) -> None:
        self._points = points
        self._copy = Snapshot() if background else None
        self._pool: Executor = ThreadPoolExecutor(1, "save") if background else _AtOnce()
        self._writing: Future[int] | None = None
        self._step = -1
        self.last: int | None = None
        """The newest step known to be durable."""

    def restore(self, into: Tensors) -> Point | None:
        """Return the point to go on from, and remember its step.

        Args:
            into: Where its tensors are to go.
        """
        point = self._points.newest(into)
        if point is not None:
            self.last = self._step = point.step
        return point

    def reserve(self, tensors: Tensors) -> None:
        """Take the host memory for copies now, so that the first save does not wait for it."""
        if self._copy is not None:
            self._copy.reserve(tensors)

    def save(self, point: Point) -> None:
        """Begin to keep a point with live tensors, unless this very step was saved already.

        Waits for the one before it, if that is still being written.

        Raises:
            DiskFull: There was no room, now or for the one before; older ones are untouched.
        """
        if self._step == point.step:
            return
        self.wait()
        if self._copy is not None:
            point = replace(point, tensors=self._copy.take(point.tensors))
        self._writing = self._pool.submit(self._write, point)
        self._step = point.step
        self.finished()

    def finished(self) -> int | None:
        """Return the newest durable step without waiting for one that is being written.

        Raises:
            DiskFull: There was no room for the last one.
        """
        return self.wait() if self._writing is not None and self._writing.done() else self.last

    def wait(self) -> int | None:
        """Return the newest durable step once nothing is being written any more.

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

    def _write(self, point: Point) -> int:
        if self._copy is not None:
            self._copy.arrived()
        self._points.keep(point)
        return point.step


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
