"""``logs``: what a training wrote, and what it writes."""

import codecs
import time
from collections.abc import Iterator

from actions.commands.which import TrainingOptions, Which, find
from actions.following import pace_of
from actions.ports import translated
from agents.command import command
from agents.declare.commands import Answer, Command, Terminal
from agents.declare.words import flag
from agents.errors import Interrupted, UsageError
from training.store.directory import TrainingDirectory

__all__ = ["LOGS", "LogFile"]

_PIECE = 1 << 22
"""Bytes that are read at once."""

_BACK = 1 << 18
"""Bytes that are read at once while the beginning of the last lines is looked for."""


class LogsOptions(TrainingOptions):
    """Whose log, and how much of it."""

    follow: bool = flag("--follow", "-f", about="Go on until it ends; Ctrl-C leaves.")
    lines: int | None = flag(
        *("--lines", "-n"), about="Only so many of the last lines.", metavar="N", default=None, ge=0
    )


class LogFile:
    """The log of a training, read on from where it was read to; never twice.

    Args:
        directory: Whose log it is.
        lines: So many of the last lines that are there; all of them where none is given.
    """

    def __init__(self, directory: TrainingDirectory, lines: int | None = None) -> None:
        self._volume, self._name = directory.volume, directory.log_name
        self._at = 0 if lines is None else self._before_the_last(lines)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def new(self) -> Iterator[str]:
        """What was written since, in whole lines."""
        while piece := self._piece():
            text = self._begun + self._decoder.decode(piece)
            # a progress bar ends its lines with a carriage return
            whole = max(text.rfind("\n"), text.rfind("\r")) + 1
            self._begun = text[whole:]
            if whole:
                yield text[:whole]

    def rest(self) -> str:
        """The last line, when nothing ended it."""
        text = self._begun + self._decoder.decode(b"", final=True)
        self._begun = ""
        return text and f"{text}\n"

    def _piece(self) -> bytes:
        size = self._volume.size(self._name) or 0
        if size < self._at:
            self._at = 0  # it was begun anew
        if size == self._at:
            return b""
        piece = self._volume.read_range(self._name, self._at, min(size - self._at, _PIECE))
        self._at += len(piece)
        return piece

    def _before_the_last(self, lines: int) -> int:
        """Where the last lines begin, reading back from the end."""
        start = end = self._volume.size(self._name) or 0
        # the line that ends the file may have an end of its own
        ends = lines + (end > 0 and self._volume.read_range(self._name, end - 1) == b"\n")
        while start and ends:
            length = min(start, _BACK)
            start -= length
            piece = self._volume.read_range(self._name, start, length)
            while ends and length >= 0:
                length = piece.rfind(b"\n", 0, length)
                ends -= length >= 0
            if not ends:
                return start + length + 1
        return start if ends else end


def _logs(options: LogsOptions, terminal: Terminal) -> Answer:
    if options.follow and terminal.json_wanted:
        raise UsageError("--json prints one document, so it does not follow", fix="leave out -f")
    which = find(options)
    log = LogFile(which.directory, options.lines)
    if options.follow:
        terminal.say(which.said())
        return _follow(which, log, terminal)
    with translated():
        text = "".join([*log.new(), log.rest()])
    data = {
        "training": which.key,
        "volume": which.directory.volume.name,
        "log": which.directory.log_name,
        "lines": text.splitlines(),
    }
    terminal.say(which.said() if text else f"{which.said()} has written nothing yet")
    return Answer(data, text.removesuffix("\n"))


def _follow(which: Which, log: LogFile, terminal: Terminal) -> Answer:
    """Show what is there and what comes, until the training ends.

    Raises:
        Interrupted: A person left.
    """
    poll = pace_of(which.ports.compute.name).seconds
    try:
        while True:
            with translated(), which.directory.volume.look():
                owner = which.ports.compute.owner(which.key)  # before the last look
                for text in log.new():
                    terminal.write(text)
            if owner is None:
                break
            time.sleep(poll)
    except KeyboardInterrupt:
        again = command(f"logs {which.key} -f")
        raise Interrupted(f"left; training {which.key} goes on by itself", fix=again) from None
    terminal.write(log.rest())
    with translated():
        state = which.ports.compute.status(which.key).state
    terminal.say(f"training {which.key}: {state}")
    return Answer({"training": which.key, "state": state})


LOGS = Command(
    "logs",
    "The log of a training; -f follows it.",
    LogsOptions,
    _logs,
    "RUN is an id, a unique beginning of one, or last; its newest training is meant. KEY is a "
    "training key, or the beginning of one. volume= and compute= say where it is, when no run here "
    "launched it.",
)
