"""``python -m agents``: the composition root, the only module that sees everything."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from agents.cli.main import Composition, invoke

if TYPE_CHECKING:
    import argparse

    from agents.declare.catalogue import Catalogue

__all__ = ["ROOT", "load_catalogue", "load_programs", "main"]


def load_catalogue() -> "Catalogue":
    """This project's declarations; late, so that ``--help`` loads none of them."""
    from actions import ACTIONS, SENSORS, connect  # noqa: PLC0415
    from agents.declare.catalogue import Catalogue  # noqa: PLC0415
    from goals import GOALS, F  # noqa: PLC0415

    return Catalogue(F, SENSORS, ACTIONS, GOALS, connect)


def load_programs() -> "Mapping[str, Callable[[], argparse.ArgumentParser]]":
    """The project's other command lines, which documents quote too: module → its parser."""
    from training.__main__ import _parser  # noqa: PLC0415
    from training.compute.loopback.__main__ import _parser as _loopback  # noqa: PLC0415

    return {"training": _parser, "training.compute.loopback": _loopback}


ROOT = Composition(load_catalogue, load_programs)


def main() -> int:
    """Run the command line of this process and return its exit code."""
    _open_closed_streams()
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
