"""Starting a runner on this machine: its words, and the environment that its script gets.

The runner imports this package from where it lies. Its script must not: it may stand in a folder
with a ``training/`` of its own, and what is installed for it is its own affair. All it finds of
ours is ``training.contract``, in a package that holds nothing else, after what its own path names.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from training.compute.interpreter import VARIABLE, Interpreter
from training.compute.port import Shipped
from training.store.durable import sync_directory, temporary_directory

__all__ = ["script_environment", "stage", "words_of_runner"]

_PACKAGE = Path(__file__).resolve().parents[2]
_CONTRACT = _PACKAGE / "training" / "contract.py"
_STUB = "contract"
_SAYS = '"""What a script finds of goap: `from training.contract import run`."""\n'

# -P would not do: the path has to be there before the first import, and not in the environment,
# which the script inherits.
_PROGRAM = (
    "import runpy, sys; sys.path[:1] = [sys.argv.pop(1)]; "
    "runpy.run_module('training.runner', run_name='__main__', alter_sys=True)"
)


def words_of_runner(root: Path, key: str, *options: str) -> list[str]:
    """The command that carries a training: ``python -m training.runner …``, wherever it stands.

    Args:
        root: The volume.
        key: The training key.
        options: Further words, such as ``--lock-fd 3``.
    """
    words = ["--volume", str(root), "--key", key, *options]
    return [sys.executable, "-c", _PROGRAM, str(_PACKAGE), *words]


def script_environment(
    root: Path, interpreter: Interpreter, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What a runner and its script inherit.

    ``python`` and the programs installed with it are those of the interpreter.

    Args:
        root: The volume, which keeps the package with the contract.
        interpreter: What the script is to run under.
        environment: What this process has.
    """
    path = (interpreter.programs, environment.get("PATH", os.defpath))
    modules = (environment.get("PYTHONPATH", ""), str(_contract(root)))
    return {
        **environment,
        VARIABLE: interpreter.path,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join(filter(None, modules)),
    }


def _contract(root: Path) -> Path:
    """A directory with a package ``training`` in it that holds the contract alone."""
    content = _CONTRACT.read_bytes()
    place = root / _STUB / hashlib.sha256(content).hexdigest()[:16]
    if not place.is_dir():
        with temporary_directory(place.parent, place.name) as made:
            package = made / "training"
            package.mkdir()
            (package / "__init__.py").write_text(_SAYS, encoding="utf-8")
            (package / _CONTRACT.name).write_bytes(content)
            with suppress(OSError):  # another launcher was faster
                made.rename(place)
    return place


def stage(source: Shipped, target: Path) -> None:
    """Copy what a script is started from, whole or not at all; what is there already stays.

    Args:
        source: The files.
        target: The directory that holds them afterwards.
    """
    if target.is_dir():
        return
    with temporary_directory(target.parent, target.name) as made:
        files = made / "files"
        source.stage(files)
        files.replace(target)
        sync_directory(target.parent)
