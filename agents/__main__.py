"""``python -m agents``: the composition root, the only module that sees everything."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import goap_start
from agents.cli.main import Composition, invoke

if TYPE_CHECKING:
    from agents.declare.catalogue import Catalogue

__all__ = ["COMMANDS", "ROOT", "load_catalogue", "load_secret_files", "main"]


def load_catalogue() -> "Catalogue":
    """The declarations that a job chose, else this project's; late: ``--help`` loads none.

    Raises:
        UsageError: The job's catalogue cannot be had; the message has file and line.
    """
    from agents.declare.chosen import chosen, load  # noqa: PLC0415

    choice = chosen(Path.cwd(), os.environ, goap_start.PACKAGES)
    return load(choice) if choice else _own_catalogue()


def _own_catalogue() -> "Catalogue":
    """This project's declarations."""
    from actions import ACTIONS, SENSORS, OurContributions, connect  # noqa: PLC0415
    from agents.declare.catalogue import Catalogue  # noqa: PLC0415
    from goals import GOALS, F  # noqa: PLC0415

    return Catalogue(F, SENSORS, ACTIONS, GOALS, connect, contributions=OurContributions())


def load_secret_files() -> "Iterable[Path]":
    """Configuration files whose secrets are never printed."""
    from training.compute.modal.token import configuration  # noqa: PLC0415 - only where one is hidden

    return (configuration(),)


COMMANDS = {
    "logs": ("actions.commands.logs:LOGS", "The log of a training; -f follows it."),
    "bill": (
        "actions.commands.bill:BILL",
        "What trainings used on a day or in a month, beside what was billed.",
    ),
    "fetch": (
        "actions.commands.fetch:FETCH",
        "A finished model, brought to this machine and verified.",
    ),
    "gc": ("actions.commands.gc:GC", "What nothing cites any more on a volume; --yes deletes it."),
    "init": (
        "actions.commands.init:INIT",
        "A job file, the pyproject entry and a skill for a script.",
    ),
    "loopback": (
        "actions.commands.loopback:LOOPBACK",
        "Run a command of the modal client on the rehearsal plane.",
    ),
    "stop": ("actions.commands.stop:STOP", "Ask a training to save and end."),
    "trainings": (
        "actions.commands.trainings:TRAININGS",
        "All trainings of a volume: how far they are, on what, for how much.",
    ),
}
"""What the program offers besides the engine's commands; imported when one is used."""

ROOT = Composition(load_catalogue, load_secret_files, COMMANDS)


def main() -> int:
    """Run the command line of this process and return its exit code."""
    goap_start.pin()  # `python -m agents` stands in a folder that may have a `goals/` too
    _open_closed_streams()
    if sys.argv[1:2] == ["training"]:
        # `python -m training` is somebody else's in a folder that has a `training/` of its own
        from training.__main__ import main as training  # noqa: PLC0415 - only when it is called

        return training(sys.argv[2:])
    return invoke(ROOT)


def _open_closed_streams() -> None:
    """A service may be started with closed streams; then nobody reads, and nothing breaks.

    In this order each takes the lowest free descriptor, so that no file of ours ends up as one
    that a child process takes for its input or output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


if __name__ == "__main__":
    sys.exit(main())
