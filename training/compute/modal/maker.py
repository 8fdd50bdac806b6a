"""The function that makes data on Modal: a command, in a container with the volume mounted.

Of ours it imports only what is mounted in every container.
"""

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import modal
import modal.exception

from training.compute.modal.entering import cancelling, container_began, enter
from training.compute.modal.mounts import mounted
from training.compute.modal.scripted import script_environment
from training.store.layout import MakingLayout

__all__ = ["make"]

COMMIT_SECONDS: Final = 10.0
"""How often the log is published while the command says something."""


def make(
    key: str,
    over: Sequence[str],
    *,
    volume: str,
    usd_per_hour: tuple[float, float, float] | None = None,
) -> dict[str, Any]:
    """Run the command of `key`, whose words, source and inputs are on the volume.

    Args:
        key: The command.
        over: The calls that had it before and are known to be over, the last one last.
        volume: The name of the volume that is mounted.
        usd_per_hour: What an hour of this hardware costs, for the account.

    Returns:
        ``{"digest"}`` of what it made; ``{"failed", "fix"}``; or ``{"duplicate_of"}``.

    Raises:
        modal.exception.InputCancellation: The call was cancelled, or its time is over.
    """
    from training.errors import DataError, Interrupted  # noqa: PLC0415
    from training.store.lock import holding  # noqa: PLC0415

    began = container_began()
    own, layout = modal.Volume.from_name(volume), MakingLayout(mounted(), key)
    entry, asked = enter(layout, over, own), threading.Event()
    if entry.answer is not None:
        return entry.answer
    try:
        with cancelling(asked.set), holding(layout), _accounted(layout, began, usd_per_hour):
            return {"digest": _made(layout, asked, own.commit, entry.starts)}
    except DataError as error:
        return {"failed": error.message, "fix": error.fix}
    except Interrupted as error:
        raise modal.exception.InputCancellation(error.message) from error
    finally:
        shutil.rmtree(layout.out_path, ignore_errors=True)
        own.commit()


@contextmanager
def _accounted(
    layout: MakingLayout, began: float, usd_per_hour: tuple[float, float, float] | None
) -> Iterator[None]:
    """Write down what is used of this container; what is published is published with the log."""
    from training.runner.account import Account, Rented, uses_of  # noqa: PLC0415

    path = layout.account_path
    path.parent.mkdir(parents=True, exist_ok=True)
    earlier = uses_of(path.read_bytes()) if path.exists() else []
    number = 1 + max((each.attempt for each in earlier), default=0)
    call = modal.current_function_call_id() or ""
    account = Account(path, number, Rented(call, "", began, usd_per_hour), device="cpu")
    try:
        with account.beating():
            yield
    finally:
        account.end()


def _made(
    layout: MakingLayout, asked: threading.Event, commit: Callable[[], None], starts: int
) -> str:
    from training.runner.making import (  # noqa: PLC0415
        Command,
        Task,
        keep_files,
        remember,
        run_command,
    )
    from training.store.volume import LocalVolume  # noqa: PLC0415

    command = Command.from_json(layout.spec_path.read_bytes())
    shutil.rmtree(layout.out_path, ignore_errors=True)  # of a container that was lost
    log = _Log(layout.log_path, commit)
    if starts > 1:
        log.say(f"container {starts} of this call: the one before was lost, and it begins anew")
    task = Task(log.say, asked, sys.executable, script_environment())
    here = LocalVolume(layout.root)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch, "work")
        if layout.source_path.is_dir():
            shutil.copytree(layout.source_path, work)
        work.mkdir(exist_ok=True)
        files = run_command(command, layout.inputs_path, work, layout.out_path, task)
    keep_files(here, layout.out_path, files, log.say)
    remember(here, command, files)
    for copy in (layout.source_path, layout.inputs_path):
        shutil.rmtree(copy, ignore_errors=True)
    return files.digest


class _Log:
    """What the command says: in the platform's log of the container, and on the volume."""

    def __init__(self, path: Path, commit: Callable[[], None]) -> None:
        self._path, self._commit = path, commit
        self._committed = 0.0

    def say(self, line: str) -> None:
        """Take one line."""
        print(line, flush=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        if time.monotonic() - self._committed > COMMIT_SECONDS:
            self._commit()
            self._committed = time.monotonic()
