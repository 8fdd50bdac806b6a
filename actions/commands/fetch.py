"""``fetch``: a finished model from its volume to this machine."""

from pathlib import Path
from typing import Literal

from actions.commands.which import TrainingOptions, Which, find
from actions.ports import translated
from agents.command import command
from agents.declare.commands import Answer, Command, Terminal
from agents.declare.words import word
from training.errors import CheckpointError
from training.runner.ending import Reference
from training.runner.order import Order
from training.store.distant import DistantStore
from training.store.fetch import fetch

__all__ = ["FETCH"]

_MB = 1e6


class FetchOptions(TrainingOptions):
    """Which model, and where to."""

    to: Path = word("DIR", example="to=model")
    checkpoint: Literal["last", "best"] = word("last|best", "last")


def _fetch(options: FetchOptions, terminal: Terminal) -> Answer:
    which = find(options)
    terminal.say(which.said())
    to = options.to.absolute()
    with translated():
        wanted = _wanted(which, best=options.checkpoint == "best")
        fetched = fetch(which.directory, wanted, to)
    there = fetched.bytes - fetched.got
    before = f", of which {there / _MB:.1f} MB were here already" if there else ""
    text = (
        f"{which.key} step {wanted.step:,}: {fetched.files} files, {fetched.bytes / _MB:.1f} MB"
        f"{before}, in {to}; every hash as its manifest says"
    )
    data = {
        "training": which.key,
        "checkpoint": wanted.path,
        "step": wanted.step,
        "sha256": wanted.sha256,
        "to": str(to),
        "files": fetched.files,
        "bytes": fetched.bytes,
        "got_bytes": fetched.got,
    }
    return Answer(data, text)


def _wanted(which: Which, *, best: bool) -> Reference:
    """The checkpoint that is meant.

    Raises:
        CheckpointError: The training has not ended, or has no such checkpoint.
    """
    directory = which.directory
    ending, order = directory.read_ending(), directory.read_order()
    if ending is None or order is None or ending.status != "completed":
        raise CheckpointError(
            f"training {which.key} is not finished",
            fix=command(f"logs {which.key} -f") + " follows it",
            code="not_finished",
        )
    if best:
        return _best(which, order)
    if ending.checkpoint is None:
        raise CheckpointError(f"training {which.key} has no checkpoint", code="no_checkpoint")
    return ending.checkpoint


def _best(which: Which, order: Order) -> Reference:
    entries = {each.step: each for each in DistantStore(which.directory, order).entries()}
    step = order.keep.best_step({step: each.metrics for step, each in entries.items()})
    if step is None:
        raise CheckpointError(
            f"training {which.key} does not say by what a checkpoint is best",
            fix="keep=Keep(best=MEASUREMENT) of the training, or checkpoint=last",
            code="no_checkpoint",
        )
    path = entries[step].path
    root = which.directory.volume.local_root
    below = path.relative_to(root) if root is not None and path.is_absolute() else path
    return Reference(below.as_posix(), entries[step].sha256, step)


FETCH = Command(
    "fetch",
    "A finished model, brought to this machine and verified.",
    FetchOptions,
    _fetch,
    "RUN is an id, a unique beginning of one, or last; its newest training is meant. KEY is a "
    "training key, or the beginning of one. DIR holds checkpoint/, verdict.json and result.json "
    "when it is whole, and is not there before. After an interruption the same command goes on "
    "with what is here already. checkpoint=best is that of Keep(best=…).",
)
