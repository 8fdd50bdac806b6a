"""``loopback``: run anybody's command with the modal client on the rehearsal plane."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from actions.ports import translated
from agents.command import command as typed
from agents.declare.commands import Answer, Command, Terminal
from agents.declare.words import word
from agents.errors import UsageError
from agents.run.options import StateOptions

__all__ = ["LOOPBACK"]


class LoopbackOptions(StateOptions):
    """The state directory, and the command after ``--``."""

    command: tuple[str, ...] = word("-- COMMAND", ())

    @classmethod
    def read(
        cls, words: Iterable[str], command: str, flags: Mapping[str, object] | None = None
    ) -> Self:
        """Our own words come first; the rest is the command, word by word.

        Raises:
            UsageError: There is no command.
        """
        left = list(words)
        own = [left.pop(0)] if left and left[0].startswith("state=") else []
        if not left:
            raise UsageError("no command given", fix=typed("loopback -- modal run FILE"))
        return super().read(own, command, flags).model_copy(update={"command": tuple(left)})

    @classmethod
    def usage(cls) -> str:
        """The words as the usage shows them."""
        return "[state=DIR] -- COMMAND..."


def _loopback(options: LoopbackOptions, terminal: Terminal) -> Answer:
    from training.compute.loopback.client import ensure  # noqa: PLC0415 - only a rehearsal needs it

    root = Path(options.state) / "loopback"
    with translated():
        environment = _environment(os.environ, ensure(root).environment())
    program = shutil.which(options.command[0], path=environment["PATH"])
    if program is None:
        raise UsageError(f"there is no command {options.command[0]!r}", fix="is it on the PATH?")
    terminal.say(f"rehearsal on the loopback control plane of {root}; the cloud is not reached")
    if not terminal.json_wanted:
        sys.stdout.flush()
        # in our place, so that signals and the exit code are the command's own
        os.execve(program, options.command, environment)  # noqa: S606 - what the person typed
    done = subprocess.run(
        options.command, executable=program, env=environment, stdout=sys.stderr, check=False
    )
    data = {"command": list(options.command), "exit_code": done.returncode}
    return Answer(
        data, exit_code=done.returncode if done.returncode >= 0 else 128 - done.returncode
    )


def _environment(given: Mapping[str, str], reach: Mapping[str, str]) -> dict[str, str]:
    """What the command runs with: the plane, and nothing of an account of its own."""
    clean = {name: value for name, value in given.items() if not name.startswith("MODAL_")}
    path = [clean.get("PATH", os.defpath), str(Path(sys.executable).parent)]
    clean |= {**reach, "PATH": os.pathsep.join(path)}
    for name in ("NO_PROXY", "no_proxy"):
        passed = [given[name]] if given.get(name) else []
        clean[name] = ",".join([*passed, reach["NO_PROXY"]])
    return clean


LOOPBACK = Command(
    "loopback",
    "Run a command of the modal client on the rehearsal plane.",
    LoopbackOptions,
    _loopback,
    "The command has the plane of the state directory for its cloud, and no token but the plane's: "
    "``loopback -- modal run FILE`` costs nothing and reaches nobody. Exit code and signals are "
    "the command's. What the plane does not do answers with a line that says so.",
)
