"""``python -m agents``: the composition root, the only module that sees everything."""

import sys
from typing import TYPE_CHECKING

from agents.cli.main import invoke

if TYPE_CHECKING:
    from agents.catalogue import Catalogue

__all__ = ["load_catalogue", "main"]


def load_catalogue() -> "Catalogue":
    """This project's declarations; late, so that ``--help`` loads none of them."""
    from actions import ACTIONS, SENSORS, connect  # noqa: PLC0415
    from agents.catalogue import Catalogue  # noqa: PLC0415
    from goals import GOALS, F  # noqa: PLC0415

    return Catalogue(F, SENSORS, ACTIONS, GOALS, connect)


def main() -> int:
    """Run the command line of this process and return its exit code."""
    return invoke(load_catalogue)


if __name__ == "__main__":
    sys.exit(main())
