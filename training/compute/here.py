"""A training that is carried in this process, while a person looks at its log."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.compute.interpreter import interpreter_for
from training.compute.port import Shipped
from training.compute.starting import contract_of, programs_of
from training.declare.source import stage_source
from training.runner.call import Call, Follower
from training.runner.carry import carry
from training.runner.ending import Ending
from training.runner.order import Order
from training.runner.signals import Stop
from training.store.directory import TrainingDirectory

__all__ = ["carried_here"]

LOOK_SECONDS = 0.1


def carried_here(
    directory: TrainingDirectory,
    order: Order,
    source: Shipped | None,
    stop: Stop,
    follower: Follower | None = None,
) -> Ending:
    """Carry a training whose lock is held, and show what it logs; how it ended.

    Args:
        directory: Where it is.
        order: What is trained.
        source: What it is started from, where that may not be on the volume yet.
        stop: Asks for an early end.
        follower: Shows it somewhere else as well.

    Raises:
        ImageError: No interpreter here holds what it requires.
    """
    root, interpreter = directory.root, interpreter_for(order.parts.requirements)
    if source is not None:
        stage_source(source, directory.volume, directory.key)
    directory.write_order(order)
    call = Call(
        programs=programs_of(root, interpreter), contract=contract_of(root), follower=follower
    )
    with _shown(directory.log_path):
        return carry(root, directory.key, stop, call)


@contextmanager
def _shown(log: Path) -> Iterator[None]:
    """Copy what is written to a log to stderr."""
    over = threading.Event()
    at = log.stat().st_size if log.exists() else 0

    def copy() -> None:
        nonlocal at
        while True:
            last = over.is_set()
            if log.exists():
                with log.open("rb") as file:
                    file.seek(at)
                    content = file.read()
                at += len(content)
                sys.stderr.write(content.decode(errors="replace"))
                sys.stderr.flush()
            if last:
                return
            over.wait(LOOK_SECONDS)

    thread = threading.Thread(target=copy, name="log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
