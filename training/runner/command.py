"""The words that start a script: a command is split into words first, and filled in then.

A placeholder is a name in braces, such as ``{steps}``. ``{{`` and ``}}`` are braces themselves.
"""

import shlex
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["PLACES", "filled", "names_in", "words_of"]

PLACES: Final = ("run_dir", "resume", "data_dir", "init")
"""Placeholders that the runner fills in; every other one is a setting."""


def words_of(command: str | Sequence[str], *, shell: bool = False) -> tuple[str, ...]:
    """The words of a command, as a shell would split it; a shell's own is left as one text.

    Raises:
        ValueError: It is empty, or a quote is not closed.
    """
    if shell and not isinstance(command, str):
        raise ValueError("with shell=True the command is one text")
    whole = (command,) if isinstance(command, str) else command
    split = tuple(shlex.split(command) if isinstance(command, str) and not shell else whole)
    if not split or not split[0].strip():
        raise ValueError("the command is empty")
    return split


def names_in(words: Sequence[str]) -> Iterator[str]:
    """The placeholders in words, in order.

    Raises:
        ValueError: A brace is not closed, or what is in it is not a name.
    """
    for word in words:
        try:
            parts = list(string.Formatter().parse(word))
        except ValueError as error:
            raise ValueError(f"{word!r}: {error}; write {{{{ and }}}} for braces") from None
        for _, name, form, conversion in parts:
            if name is None:
                continue
            if not name.isidentifier() or form or conversion:
                raise ValueError(f"{word!r}: a placeholder is a name in braces, such as {{steps}}")
            yield name


def filled(words: Sequence[str], values: Mapping[str, Any], *, shell: bool = False) -> list[str]:
    """The words with their placeholders replaced; what a shell reads is quoted.

    A word that a place leaves empty goes, and the flag before it if it is one:
    ``--resume {resume}`` and ``--resume={resume}`` are not there when there is nothing to resume.

    >>> filled(["train", "--from", "{resume}", "--steps", "{steps}"], {"resume": "", "steps": 3})
    ['train', '--steps', '3']
    """
    result: list[str] = []
    for word in words:
        names = list(names_in([word]))
        texts = {name: _text(values[name]) for name in names}
        if not shell and any(name in PLACES and not texts[name] for name in names):
            if word == f"{{{names[0]}}}" and result and _is_flag(result[-1]):
                result.pop()
            continue
        quoted = {name: shlex.quote(text) for name, text in texts.items()} if shell else texts
        result.append(word.format_map(quoted))
    return result


def _is_flag(word: str) -> bool:
    return word.startswith("-") and "=" not in word and word.strip("-") != ""


def _text(value: Any) -> str:
    """A value as it is written on a command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return "" if value is None else str(value)
