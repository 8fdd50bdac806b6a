"""Data that a command makes: declared beside the training that uses it."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Prepare"]


@dataclass(frozen=True, eq=False)
class Prepare:
    """A command that makes the data of a training.

    It is started in a copy of `source`, with ``{out}`` and ``$GOAP_DATA_OUT``: the directory to
    write into. It is made once: its identity is that of command, source and inputs, and what it
    wrote is known by its content. With ``compute=modal`` or ``compute=loopback`` it runs in a
    container without a GPU, in the image of the training, with the volume mounted.

    Attributes:
        command: Words as of `Training.command`; the one placeholder is ``{out}``.
        source: Files, folders and globs that it is made of, relative to the file that declares.
        inputs: Files and folders that it reads where they are: absolute, or relative to that file.
            Their content is part of its identity; ``$GOAP_DATA_INPUTS`` is that folder. A container
            gets a copy of them, so they lie below that folder then.
        shell: Whether the command is read by a shell.
    """

    command: str | Sequence[str]
    source: Sequence[str] = ()
    inputs: Sequence[str] = ()
    shell: bool = False
