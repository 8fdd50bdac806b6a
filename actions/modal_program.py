"""``modal …`` command lines, against the command tree of the installed client.

`command_tree` is the one place that imports the client's private command tree; a test says when
it moves. ``modal run`` makes its commands from the user's file: the file is read, never imported.
"""

import ast
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from agents.documents.click_tree import check_click, walk_click
from agents.documents.findings import nearest_word
from agents.documents.shell import is_placeholder

__all__ = ["ModalProgram", "command_tree"]

TREE = ("modal.cli.entry_point", "entrypoint_cli")
DECORATORS = ("local_entrypoint", "function")

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def command_tree() -> click.Group:
    """The client's command tree.

    Raises:
        ImportError: The client is not installed, or the tree has moved.
    """
    module, name = TREE
    tree = getattr(importlib.import_module(module), name, None)
    if tree is None or not hasattr(tree, "list_commands"):
        raise ImportError(f"{module}.{name} is not the modal command tree any more")
    group: click.Group = tree
    return group


class ModalProgram:
    """Checks ``modal …``.

    Args:
        root: Where the files of ``modal run`` and ``modal deploy`` are.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def check(self, words: Sequence[str], *, complete: bool) -> Iterator[str]:
        """What is wrong with the words after ``modal``."""
        leaf = walk_click(command_tree(), "modal", words)
        if isinstance(leaf, str):
            yield leaf
        elif leaf.command.name == "run" and leaf.rest:
            yield from self._check_run(leaf.rest, as_module="-m" in words)
        else:
            yield from check_click(leaf, complete=complete)
            if leaf.command.name in ("deploy", "serve") and leaf.rest:
                yield from self._missing_file(leaf.rest[-1].partition("::")[0])

    def _missing_file(self, name: str) -> Iterator[str]:
        if name.endswith(".py") and not is_placeholder(name) and not (self.root / name).exists():
            yield f"there is no file {name}"

    def _check_run(self, rest: Sequence[str], *, as_module: bool) -> Iterator[str]:
        reference, _, wanted = rest[0].partition("::")
        name = reference.replace(".", "/") + ".py" if as_module else reference
        if is_placeholder(name) or name == "-":
            return
        yield from self._missing_file(name)
        path = self.root / name
        functions = _entrypoints(path) if path.is_file() else {}
        if wanted and functions and wanted.rpartition(".")[2] not in functions:
            near = nearest_word(wanted, functions)
            yield f"{name} has no entrypoint or function {wanted!r}{near}"
            return
        chosen = functions.get(wanted.rpartition(".")[2]) if wanted else _only(functions)
        yield from _check_arguments(f"modal run {rest[0]}", chosen, rest[1:])


def _entrypoints(path: Path) -> dict[str, _Function]:
    """Functions of a file that ``modal run`` can start, entrypoints first."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return {}
    found: dict[str, dict[str, _Function]] = {name: {} for name in DECORATORS}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                function = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(function, ast.Attribute) and function.attr in found:
                    found[function.attr][node.name] = node
    return found["local_entrypoint"] | found["function"]


def _only(functions: dict[str, _Function]) -> _Function | None:
    """The function started when none is named: the first entrypoint, else the first function."""
    return next(iter(functions.values()), None)


def _check_arguments(path: str, function: _Function | None, rest: Sequence[str]) -> Iterator[str]:
    """A parameter of an entrypoint is an option, never an argument."""
    if function is not None and function.args.vararg is not None:
        return
    options = _options(function) if function is not None else None
    words = list(rest)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            yield f"{path}: unexpected extra argument {word!r}; parameters are options: --NAME"
            return
        name, equals, _ = word.partition("=")
        if options is not None and name not in options and name != "--help":
            yield f"{path} has no option {name!r}{nearest_word(name, options)}"
            return
        is_flag = options is not None and options.get(name, False)
        if words and not equals and not is_flag:
            words.pop(0)


def _options(function: _Function) -> dict[str, bool]:
    """Option → whether it is a flag."""
    options = {}
    for argument in (*function.args.args, *function.args.kwonlyargs):
        name = argument.arg.replace("_", "-")
        is_flag = isinstance(argument.annotation, ast.Name) and argument.annotation.id == "bool"
        options[f"--{name}"] = is_flag
        if is_flag:
            options[f"--no-{name}"] = True
    return options
