"""Starting a runner on this machine: its words, and what its script finds.

The runner imports this package from where it lies. Its script must not: it may stand in a folder
with a ``training/`` of its own, and what is installed for it is its own affair. All it finds of
ours is ``training.contract``, in a package that holds nothing else, after what its own path names.
"""

import hashlib
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from training.compute.interpreter import Interpreter
from training.store.durable import temporary_directory

__all__ = ["contract_of", "programs_of", "words_of_runner"]

_PACKAGE = Path(__file__).resolve().parents[2]
_CONTRACT = _PACKAGE / "training" / "contract.py"
_SAYS = '"""What a script finds of goap: `from training.contract import run`."""\n'

# -P would not do: the path has to be there before the first import, and not in the environment,
# which the script inherits.
_PROGRAM = (
    "import runpy, sys; sys.path[:1] = [sys.argv.pop(1)]; "
    "runpy.run_module('training.runner', run_name='__main__', alter_sys=True)"
)


def words_of_runner(root: Path, key: str, interpreter: Interpreter, *options: str) -> list[str]:
    """The command that carries a training: ``python -m training.runner …``, wherever it stands.

    Args:
        root: The volume, which keeps what the script finds of ours.
        key: The training key.
        interpreter: What ``python`` means to the script; programs beside it are found as well.
        options: Further words, such as ``--lock-fd 3``.
    """
    words = ["--volume", str(root), "--key", key, "--contract", contract_of(root)]
    for each in programs_of(root, interpreter):
        words += ["--programs", each]
    return [sys.executable, "-c", _PROGRAM, str(_PACKAGE), *words, *options]


def programs_of(root: Path, interpreter: Interpreter) -> tuple[str, ...]:
    """What comes first on the path of a script that is to run under an interpreter."""
    return (str(_named_python(root, interpreter)), str(Path(interpreter.path).parent))


def contract_of(root: Path) -> str:
    """A directory with a package ``training`` in it that holds the contract alone."""
    files = {"training/__init__.py": _SAYS.encode(), "training/contract.py": _CONTRACT.read_bytes()}
    return str(_kept(root / "programs", files))


def _named_python(root: Path, interpreter: Interpreter) -> Path:
    """A directory in which ``python`` and ``python3`` are the interpreter, whatever it is called.

    A link would not do: a virtual environment is known by the place of its interpreter.
    """
    text = f'#!/bin/sh\nexec {shlex.quote(interpreter.path)} "$@"\n'.encode()
    return _kept(root / "programs", {"python": text, "python3": text})


def _kept(root: Path, files: dict[str, bytes]) -> Path:
    """A directory with these files, called after what they hold, so that it never changes."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    place = root / digest.hexdigest()[:16]
    if place.is_dir():
        return place
    with temporary_directory(root, place.name) as made:
        for name, content in files.items():
            (made / name).parent.mkdir(exist_ok=True)
            (made / name).write_bytes(content)
            (made / name).chmod(0o755)
        with suppress(OSError):  # another launcher was faster
            made.rename(place)
    return place
