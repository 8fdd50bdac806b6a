"""Which program a command line starts, and who can judge its words."""

import argparse
import difflib
import importlib.util
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agents.declare.contributions import Program
from agents.documents.argparse_tree import check_argparse
from agents.documents.findings import nearest_word
from agents.documents.shell import PLACEHOLDER, CommandLine, is_placeholder

__all__ = ["Make", "ParserProgram", "Programs"]

PYTHONS = ("python", "python3")
BUILTINS = ("source", "cd", "export", "set", "echo", "test", "pwd", ".", "alias", "unset", "eval")
_TARGETS = re.compile(r"^([A-Za-z0-9_./ -]+?)\s*:(?!=)", re.MULTILINE)
_MAKE_WITH_VALUE = ("-C", "-f", "-j", "-o")


class ParserProgram:
    """A program whose words an ``argparse`` parser reads."""

    def __init__(self, parser: Callable[[], argparse.ArgumentParser]) -> None:
        self.parser = parser

    def check(self, words: Sequence[str], *, complete: bool) -> Iterator[str]:
        """What is wrong with the words."""
        return check_argparse(self.parser(), words, complete=complete)


class Make:
    """``make`` with the targets of one Makefile."""

    def __init__(self, makefile: Path) -> None:
        self.makefile = makefile

    def targets(self) -> set[str]:
        """The names that can be made."""
        if not self.makefile.is_file():
            return set()
        text = self.makefile.read_text(encoding="utf-8")
        return {word for names in _TARGETS.findall(text) for word in names.split()}

    def check(self, words: Sequence[str], *, complete: bool) -> Iterator[str]:  # noqa: ARG002
        """What is wrong with the words after ``make``."""
        targets = self.targets()
        if not targets:
            yield f"there is no {self.makefile.name}"
        wanted = [word for word in _without_options(words) if "=" not in word]
        for word in wanted:
            if targets and word not in targets and not is_placeholder(word):
                yield f"make has no target {word!r}{nearest_word(word, targets)}"


class Programs:
    """All programs whose words can be judged.

    Args:
        root: The project; its files are what ``python FILE`` and ``pytest FILE`` name.
        judges: How a program is called, such as ``make`` or ``python -m agents`` → its judge. Where
            a word of a program starts another one, that is called by both words: ``bake oven``.
    """

    def __init__(self, root: Path, judges: Mapping[str, Program]) -> None:
        self.root, self.judges = root, dict(judges)
        self.names = frozenset({key.split()[0] for key in judges} | {*PYTHONS, "pytest"})

    def check(self, command: CommandLine) -> list[str] | None:
        """What is wrong with a command line; None when nobody here can judge it."""
        if command.problem:
            return [command.problem]
        program, *rest = command.words
        name = program.rpartition("/")[2]
        if "--" in rest[:-1] and (name in self.judges or name in PYTHONS):
            return self._both(command)
        if name in PYTHONS:
            return list(self._python(rest, complete=command.complete))
        if name in self.judges:
            return list(self._judged(name, rest, complete=command.complete))
        if name in ("pytest", "bash", "sh", "source", "ruff", "mypy"):
            return list(self._files(rest))
        return self._misspelt(name)

    def _both(self, command: CommandLine) -> list[str]:
        """What is wrong with a command, and with the one after ``--`` that it runs."""
        at = command.words.index("--")
        inner = replace(command, words=command.words[at + 1 :])
        # what it runs is the reader's own; that it runs something is not
        outer = replace(command, words=(*command.words[:at], PLACEHOLDER))
        return [*(self.check(outer) or ()), *(self.check(inner) or ())]

    def _python(self, rest: list[str], *, complete: bool) -> Iterator[str]:
        while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c"):
            rest = rest[2 if rest[0] in ("-X", "-W") else 1 :]
        if rest[:1] == ["-m"] and len(rest) > 1:
            module, words = rest[1], rest[2:]
            if f"python -m {module}" in self.judges:
                yield from self._judged(f"python -m {module}", words, complete=complete)
            elif not is_placeholder(module) and not _is_module(module):
                ours = [key.split()[2] for key in self.judges if " -m " in key]
                yield f"there is no module {module!r} to run{_close(module, ours)}"
            elif module == "pytest":
                yield from self._files(words)
        elif rest and rest[0].endswith(".py") and not is_placeholder(rest[0]):
            yield from self._files(rest[:1])

    def _judged(self, name: str, words: list[str], *, complete: bool) -> Iterator[str]:
        longer = f"{name} {words[0]}" if words else name
        if longer in self.judges:
            name, words = longer, words[1:]
        return self.judges[name].check(words, complete=complete)

    def _files(self, words: Sequence[str]) -> Iterator[str]:
        """Arguments that look like files of the project have to be there."""
        for word in words:
            path = word.partition("::")[0]
            looks = "/" in path or path.endswith((".py", ".sh"))
            foreign = path.startswith(("-", "/", "~", "$", ".venv")) or is_placeholder(path)
            if looks and not foreign and not any(self.root.glob(path)):
                yield f"there is no file {path}"

    def _misspelt(self, name: str) -> list[str] | None:
        if name in BUILTINS or shutil.which(name) is not None:
            return None
        close = _close(name, [*self.names])
        return [f"there is no program {name!r}{close}"] if close else None


def _without_options(words: Sequence[str]) -> Iterator[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _MAKE_WITH_VALUE:
            skip = True
        elif not word.startswith("-"):
            yield word


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _close(word: str, words: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.7)
    return f"; did you mean {close[0]!r}?" if close else ""
