"""``stop``: ask a training to save and end."""

from actions.commands.which import TrainingOptions, find
from actions.ports import translated
from agents.declare.commands import Answer, Command, Terminal

__all__ = ["STOP"]

EXIT_NOT_RUNNING = 1


def _stop(options: TrainingOptions, terminal: Terminal) -> Answer:
    which = find(options)
    if which.others:
        terminal.say(which.said())
    with translated():
        asked = which.ports.compute.stop(which.key)
    text = f"{which.key} was asked to save and end" if asked else f"{which.key} is not running"
    data = {"training": which.key, "asked": asked}
    return Answer(data, text, 0 if asked else EXIT_NOT_RUNNING)


STOP = Command(
    "stop",
    "Ask a training to save and end.",
    TrainingOptions,
    _stop,
    "RUN is an id, a unique beginning of one, or last; its newest training is meant. KEY is a "
    "training key, or the beginning of one. The next run continues from what it saves. Exit code 1 "
    "when it is not running.",
)
