"""What containers used: when each began and ended, kept for the bill."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from training.compute.loopback.container import Container
from training.compute.loopback.store import Store

__all__ = ["begin_task", "end_task", "kill_tasks", "tasks_used"]


def begin_task(store: Store, container: Container, app: str) -> None:
    """The process of a container is there."""
    process = container.process
    assert process is not None  # noqa: S101 - it was started
    container.started = time.time()
    record = {"pid": process.pid, "app": app, "began": container.started}
    store.put("task", container.task, record)


def end_task(store: Store, task: str) -> None:
    """A container is gone: what it used stays."""
    record = store.get("task", task)
    if record is not None and "began" in record:
        store.put("used", task, {**record, "ended": time.time()})
    store.delete("task", task)


def kill_tasks(store: Store) -> None:
    """Kill what a control plane before this one left running."""
    for task, record in list(store.items("task")):
        environment = Path(f"/proc/{record['pid']}/environ")
        try:
            ours = f"MODAL_TASK_ID={task}".encode() in environment.read_bytes().split(b"\0")
        except OSError:
            ours = False
        if ours:
            os.killpg(record["pid"], signal.SIGKILL)
        end_task(store, task)


def tasks_used(store: Store) -> Iterator[tuple[str, float, float]]:
    """App, beginning and end of every container; one that runs lasts until now."""
    for kind in ("used", "task"):
        for _, record in store.items(kind):
            if "began" in record:
                yield record["app"], record["began"], record.get("ended", time.time())
