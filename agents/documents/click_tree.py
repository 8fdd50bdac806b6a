"""Command lines against a tree of click commands, without running any callback.

``make_context`` would call the callbacks of options, and some of those change global settings;
here words are only parsed and cast.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import click

from agents.documents.findings import nearest_word
from agents.documents.shell import is_placeholder

__all__ = ["Leaf", "check_click", "walk_click"]


class Leaf(NamedTuple):
    """Where a command line ends in the tree: the command, and the words after its name."""

    command: click.Command
    context: click.Context
    rest: tuple[str, ...]


def walk_click(
    root: click.Command, name: str, words: Iterable[str], handed: object = None
) -> Leaf | str:
    """Follow ``words`` to the command they name, or say which word is wrong.

    Args:
        root: The tree.
        name: What the program is called.
        words: Those after its name.
        handed: What the program hands to its commands; some trees are made of it.
    """
    command, rest = root, list(words)
    context = click.Context(root, info_name=name, obj=handed)
    while isinstance(command, click.Group):
        path = context.command_path
        try:
            options, left, _ = command.make_parser(context).parse_args(list(rest))
        except click.UsageError as error:
            return _usage(error, command, context)
        if "help" in options or not left or is_placeholder(left[0]):
            return Leaf(command, context, ())
        names = command.list_commands(context)
        if not names:  # it makes its commands from the reader's own file
            return Leaf(command, context, tuple(left))
        chosen = command.get_command(context, left[0]) if left[0] in names else None
        if chosen is None:
            return f"{path} has no command {left[0]!r}{nearest_word(left[0], names)}"
        context = click.Context(chosen, parent=context, info_name=left[0])
        command, rest = chosen, left[1:]
    return Leaf(command, context, tuple(rest))


def check_click(leaf: Leaf, *, complete: bool) -> Iterator[str]:
    """What is wrong with the words of a command, each as one sentence."""
    command, context = leaf.command, leaf.context
    if isinstance(command, click.Group):
        if complete and not leaf.rest and not command.invoke_without_command:
            names = ", ".join(command.list_commands(context))
            yield f"{context.command_path} needs a command: {names}"
        return
    words = _without_root_options(context.find_root(), leaf.rest)
    try:
        options, left, _ = command.make_parser(context).parse_args(words)
    except click.UsageError as error:
        yield _usage(error, command, context)
        return
    if "help" in options:
        return
    if left:
        extra = " ".join(left)
        yield f"{context.command_path}: unexpected extra argument {extra!r}"
    for parameter in command.get_params(context):
        yield from _check_value(parameter, options.get(parameter.name or ""), context, complete)


def _check_value(
    parameter: click.Parameter, value: object, context: click.Context, complete: bool
) -> Iterator[str]:
    if not isinstance(value, str | bool | int | list | tuple) or value in ((), [], ""):
        if parameter.required and complete:
            yield f"{context.command_path}: {parameter.make_metavar(context)} is missing"
        return
    texts = list(_flat(value))
    if isinstance(parameter.type, click.Path | click.File) or any(map(is_placeholder, texts)):
        return  # the reader's own files and words
    try:
        parameter.type_cast_value(context, value)
    except click.BadParameter as error:
        yield f"{context.command_path}: {error.message}"


def _flat(value: object) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    else:
        yield str(value)


def _usage(error: click.UsageError, command: click.Command, context: click.Context) -> str:
    if isinstance(error, click.NoSuchOption):
        options = [name for each in command.get_params(context) for name in each.opts]
        near = nearest_word(error.option_name, [name for name in options if name.startswith("-")])
        return f"{context.command_path} has no option {error.option_name!r}{near}"
    return f"{context.command_path}: {error.format_message()}"


def _without_root_options(root: click.Context, words: Sequence[str]) -> list[str]:
    """Words without the options of the root, which some programs accept anywhere."""
    options = {
        name: each.is_flag
        for each in root.command.params
        if isinstance(each, click.Option)
        for name in each.opts
        if name.startswith("--") and name != "--help"
    }
    kept, skip = [], False
    for word in words:
        name, equals, _ = word.partition("=")
        if skip:
            skip = False
        elif name in options:
            skip = not equals and not options[name]
        else:
            kept.append(word)
    return kept
