"""What a script finds in a container: the contract of ours, and nothing else.

A user's script may stand in a folder with a ``training/`` of its own, and that one is meant.
"""

import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["contract_package", "script_environment"]

_PACKAGE: Final = Path(__file__).resolve().parents[2]
_CONTRACT: Final = '"""What a script finds of goap: `from training.contract import run`."""\n'


def contract_package(place: Path) -> str:
    """A directory with a package ``training`` in it that holds the contract alone.

    Args:
        place: Where it is made.
    """
    package = place / "contract" / "training"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_CONTRACT, encoding="utf-8")
    shutil.copy(_PACKAGE / "contract.py", package)
    return str(package.parent)


def script_environment() -> dict[str, str]:
    """What a script inherits: no way to our package, which may have the name of one of its own."""
    ours = _PACKAGE.parent.resolve()
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [name for name in named if name and Path(name).resolve() != ours]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(others)}
