"""Whether what is said of an argument is of its kind at all: a text, a list, a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from training.declare.training import Training

__all__ = ["check_shapes"]

_TEXTS: Final = ("complete",)
_TEXTS_OR_NONE: Final = (
    *("target", "micro_batch", "learning_rate", "region", "checkpoints", "goal", "description"),
)
_TEXT_OR_TEXTS: Final = ("command", "source", "requirements", "beside")
_LISTS: Final = ("secrets", "apt", "how", "gates", "retry_exit_codes")
_LISTS_OF_TEXTS: Final = ("secrets", "apt", "how")
_TABLES: Final = ("env", "tags", "smoke")


def check_shapes(training: "Training") -> None:
    """Return when every argument is of its kind; what it says is another matter.

    Raises:
        DeclarationError: One is not.
    """
    said = vars(training)
    for argument in (*_TEXTS, *_TEXTS_OR_NONE):
        is_left_out = said[argument] is None and argument not in _TEXTS
        if not isinstance(said[argument], str) and not is_left_out:
            _refuse(training, argument, "is no text", f'write {argument}="…"')
    for argument in (*_TEXT_OR_TEXTS, "gpu"):
        value = said[argument]
        if not (isinstance(value, str) or _is_list(value) or (argument == "gpu" and value is None)):
            _refuse(training, argument, "is neither a text nor a list of texts", _texts(argument))
        _check_texts(training, argument, () if isinstance(value, str) else value or ())
    for argument in _LISTS:
        if not _is_list(said[argument]):
            _refuse(training, argument, "is no list", f"write {argument}=[{said[argument]!r}]")
    for argument in _LISTS_OF_TEXTS:
        _check_texts(training, argument, said[argument])
    for argument in _TABLES:
        if not isinstance(said[argument], Mapping):
            _refuse(training, argument, "is no dict", f"write {argument}={{…}}")
    if not isinstance(said["shell"], bool):
        _refuse(training, "shell", "is neither True nor False", "shell=True, or leave it out")
    if not isinstance(said["root"], str | Path | None):
        _refuse(training, "root", "is no folder", 'write root="…"')


def _is_list(value: Any) -> bool:
    """A text is a sequence of its letters: that is never meant."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | range)


def _check_texts(training: "Training", argument: str, values: Sequence[Any]) -> None:
    for each in values:
        if not isinstance(each, str) or not (each.strip() or argument == "command"):
            place = f"{argument}= of {training.name!r}: {each!r} is no text, or an empty one"
            raise training.place.error(argument, place, "write every one as a text")


def _texts(argument: str) -> str:
    return f'write {argument}="…" or {argument}=["…", "…"]'


def _refuse(training: "Training", argument: str, what: str, fix: str) -> NoReturn:
    value = vars(training)[argument]
    message = f"{argument}= of {training.name!r}: {value!r} {what}"
    raise training.place.error(argument, message, fix)
