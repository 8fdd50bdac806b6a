"""How ``goap`` starts: with its own packages, whatever else has their names.

``agents``, ``goals``, ``actions``, ``training`` and ``templates`` are common names. A job often has
a ``training/`` or ``templates/`` of its own, and the package ``openai-agents`` installs an
``agents`` too. This module has a name that nobody else uses, so it is found, and it makes sure that
these five are the ones beside it. It imports next to nothing: ``goap --help`` waits for it.
"""

import atexit
import gc
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution
    from types import ModuleType

__all__ = [
    "COMPLETE",
    "DISTRIBUTION",
    "PACKAGES",
    "PROGRAM",
    "Intrusion",
    "intrusion",
    "main",
    "pin",
    "refuse",
]

DISTRIBUTION = "goap-modal-agents"
PACKAGES = ("agents", "goals", "actions", "training", "templates")
_OURS = (*PACKAGES, "goap_start")
HERE = Path(__file__).absolute().parent
PROGRAM = (sys.executable, "-P", str(HERE / "goap_start.py"))
"""The words that start this program in a process of its own, wherever that process stands."""

EXIT_USAGE = 2
WAY_OUT = (
    f"give it an environment of its own: uv tool install {DISTRIBUTION}",
    f"or: pipx install {DISTRIBUTION}",
)
COMPLETE = f"python -m pip install {DISTRIBUTION} (in a clone: make venv)"
"""What installs the packages that this program is made with."""

AGAIN = (f"python -m pip install --force-reinstall --no-deps {DISTRIBUTION}",)


_LOADED = 200_000
"""More objects than a command has when it has imported what it needs and made a plan."""


class Intrusion(NamedTuple):
    """Another package has files where ours are.

    Attributes:
        message: Which file, and whose it is.
        fix: What a person can do about it, line by line.
        broken: Whether this program cannot work with it.
    """

    message: str
    fix: tuple[str, ...]
    broken: bool


class _Pinned:
    """A finder that knows our packages and asks nobody else for them."""

    @staticmethod
    def find_spec(
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG004 - the protocol of finders
        target: "ModuleType | None" = None,  # noqa: ARG004
    ) -> ModuleSpec | None:
        """Where the package lies: beside this file; None for every other module."""
        return PathFinder.find_spec(name, [str(HERE)]) if name in _OURS else None


def pin() -> None:
    """Import our packages from beside this file, whatever ``sys.path`` says; once per process."""
    if _Pinned not in sys.meta_path:
        sys.meta_path.insert(0, _Pinned)


def main() -> int:
    """Run the command line of this process and return its exit code."""
    _collect_late()
    pin()
    if not _is_ours():
        return _say(intrusion(), sys.argv[1:])
    try:
        from agents.__main__ import main as command_line  # noqa: PLC0415 - only when it is ours
    except ImportError:
        problem = intrusion()
        if problem is None or not problem.broken:
            raise
        return _say(problem, sys.argv[1:])
    return command_line()


def _collect_late() -> None:
    """Let Python look for garbage only when there can be some.

    What is imported stays: some 110,000 objects for a plan. To look through them again and again
    while they are made, and once more at the exit, takes a third of the time of a plan. From the
    first collection on Python collects as it always does.
    """
    usual = gc.get_threshold()

    def as_usual(_phase: str, _info: dict[str, int]) -> None:
        gc.callbacks.remove(as_usual)
        gc.set_threshold(*usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(_LOADED, *usual[1:])
    atexit.register(gc.freeze)  # what is left goes with the process


def refuse() -> None:
    """End here when ``agents`` is another's package, into which files of ours were mixed.

    Such a package begins with its own ``__init__``, which comes here when it imports what it takes
    for a module of its own: the first moment at which this program can speak.

    Raises:
        SystemExit: This is ``python -m agents``.
        ImportError: Somebody else imports ``agents``.
    """
    if _is_ours():
        return
    problem = intrusion()
    if sys.argv[:1] == ["-m"]:  # the package is being imported for `python -m`
        raise SystemExit(_say(problem, sys.orig_argv[sys.orig_argv.index("agents") + 1 :]))
    assert problem is not None  # noqa: S101 - it is not ours
    raise ImportError(f"{problem.message}; {' '.join(problem.fix)}")


def _is_ours() -> bool:
    """Whether ``agents`` begins with our ``__init__``: a look at 3 KB, at every start."""
    try:
        return DISTRIBUTION.encode() in (HERE / "agents" / "__init__.py").read_bytes()
    except OSError:
        return False


def intrusion() -> Intrusion | None:
    """What is wrong where our packages lie; None when nothing is. Reads what pip recorded."""
    from importlib import metadata  # noqa: PLC0415 - slow; only when something is wrong, or asked

    here = list(metadata.distributions(path=[str(HERE)]))
    ours = [each for each in here if _name(each) == DISTRIBUTION]
    others = [each for each in here if _name(each) != DISTRIBUTION]
    changed = [path for each in ours for path in _changed(each)]
    if not _is_ours() and "agents/__init__.py" not in changed:
        changed.insert(0, "agents/__init__.py")  # of a copy that no installer recorded
    owners = _owners(others, changed)
    if changed:
        first = HERE / changed[0]
        if not first.exists():
            message = f"{first} is gone: a package that had the same file was removed"
            return Intrusion(message, AGAIN, broken=True)
        message = f"{first} is not ours any more: {owners or 'something'} has overwritten it"
        return Intrusion(message, WAY_OUT, broken=True)
    neighbours = _owners(others, [f"{package}/__init__.py" for package in PACKAGES])
    if neighbours:
        message = f"{neighbours} has files in the same packages in {HERE}: one of us is broken"
        return Intrusion(message, WAY_OUT, broken=False)
    return None


def _name(distribution: "Distribution") -> str:
    return (distribution.metadata["Name"] or "").lower().replace("_", "-")


def _record(distribution: "Distribution") -> Iterator[tuple[str, str]]:
    """Pairs (path, ``sha256=…``) of the files that an installer wrote."""
    for line in (distribution.read_text("RECORD") or "").splitlines():
        path, _, rest = line.strip('"').partition(",")
        yield path, rest.partition(",")[0]


def _changed(ours: "Distribution") -> Iterator[str]:
    """Files of our packages that are not what was installed."""
    import base64  # noqa: PLC0415 - as above
    import hashlib  # noqa: PLC0415

    for path, recorded in _record(ours):
        if path.partition("/")[0] not in PACKAGES or not recorded.startswith("sha256="):
            continue
        try:
            digest = hashlib.sha256((HERE / path).read_bytes()).digest()
        except OSError:
            yield path
            continue
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != recorded[len("sha256=") :]:
            yield path


def _owners(others: "Iterable[Distribution]", paths: Iterable[str]) -> str:
    """The packages that recorded one of these files, with their versions."""
    wanted = set(paths)
    names = [
        f"{each.metadata['Name']} {each.version}"
        for each in others
        if not wanted.isdisjoint(path for path, _ in _record(each))
    ]
    return " and ".join(sorted(names))


def _say(problem: Intrusion | None, words: Sequence[str]) -> int:
    """Say what is wrong the way the command line does, and return the exit code."""
    assert problem is not None  # noqa: S101 - asked when there is one
    if "--json" in words:
        import json  # noqa: PLC0415 - only here

        error = {"code": "environment", "message": problem.message, "fix": "\n".join(problem.fix)}
        failure = {"ok": False, "data": None, "error": {**error, "retryable": False}}
        print(json.dumps({"schema": f"agents.{words[0]}/1", **failure}))
    else:
        fix = "\n       ".join(problem.fix)
        print(f"error: {problem.message}\n  fix: {fix}", file=sys.stderr)
    return EXIT_USAGE


if __name__ == "__main__":
    pin()
    from goap_start import main as start  # the module that others import, not this copy

    sys.exit(start())
