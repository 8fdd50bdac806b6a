"""The reference: every command, goal, fact, exit code and public name, as one page of Markdown."""

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType

import click

import agents
from agents import errors
from agents.command import NAMES
from agents.declare.actions import Goal
from agents.declare.catalogue import Catalogue
from agents.schemas.parameters import parameters_of

__all__ = ["reference_page"]

CALLED = NAMES[1]
EVERYWHERE = {"--help", "--json"}
"""Options of every command, which are said once."""

_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)
_HEAD = f"""\
# Reference

Made by `make reference` from what the program says of itself; a test compares it. What stands in
brackets may be left out. Every command takes `--help`. Those that answer take `--json`: exactly
one JSON document on stdout, which `{CALLED} schema NAME` describes.
"""


def reference_page(tree: click.Group, handed: object, catalogue: Catalogue) -> str:
    """The page.

    Args:
        tree: The commands.
        handed: What the program hands to them; some commands are made of it.
        catalogue: The goals, the facts and what else is public.
    """
    context = click.Context(tree, info_name=CALLED, obj=handed)
    public = {agents.__name__: (), **catalogue.contributions.public}
    parts = [
        _HEAD,
        "## Commands\n",
        *_commands(tree, context),
        "## Exit codes\n",
        _table(("code", "error", "meaning"), _exit_codes()),
        "## Goals\n",
        *map(_goal, catalogue.goals.values()),
        "## Actions\n",
        _table(
            ("action", "what it does"),
            ((f"`{each.name}`", each.summary) for each in catalogue.actions.values()),
        ),
        "## Facts\n",
        _table(
            ("fact", "what it says"),
            ((f"`{name}`", fact.description) for name, fact in catalogue.facts.items()),
        ),
        "## Public names\n",
        *(_names(importlib.import_module(name), of) for name, of in public.items()),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts).replace(NAMES[0], CALLED)


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        inner = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)
        else:
            yield _command(command, inner)


def _command(command: click.Command, context: click.Context) -> str:
    """One command: its usage, what it does, its options."""
    pieces = [each for each in command.collect_usage_pieces(context) if each != "[OPTIONS]"]
    options = [
        (f"`{', '.join(sorted(each.opts, key=len, reverse=True))}{_metavar(each, context)}`", each)
        for each in command.get_params(context)
        if isinstance(each, click.Option) and EVERYWHERE.isdisjoint(each.opts)
    ]
    lines = [f"### {context.command_path}\n", "```text", " ".join([context.command_path, *pieces])]
    lines += ["```\n", inspect.cleandoc(command.help or ""), ""]
    if options:
        lines.append(_table(("option", ""), ((name, each.help or "") for name, each in options)))
    return "\n".join(lines)


def _metavar(option: click.Option, context: click.Context) -> str:
    return "" if option.is_flag else f" {option.make_metavar(context)}"


def _exit_codes() -> list[tuple[str, str, str]]:
    kinds = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.GoapError)
    ]
    rows = [(each.exit_code, each.__name__, _first_line(each)) for each in kinds]
    return [("0", "", "Done."), *((str(code), name, text) for code, name, text in sorted(rows))]


def _goal(goal: Goal) -> str:
    rows = (
        (f"`{each.name}=`", each.type, _shown(each.default), each.description)
        for each in parameters_of(goal)
    )
    table = _table(("word", "takes", "default", "what it says"), rows)
    return f"### goal={goal.name}\n\n{goal.summary}.\n\n{table}"


def _shown(default: object) -> str:
    return "" if default in (None, "") else f"`{default}`"


def _names(module: ModuleType, names: Sequence[str]) -> str:
    """What is imported from a package, and what the fields of its classes are."""
    values = {name: getattr(module, name) for name in names or module.__all__}
    rows = ((f"`{name}`", _first_line(value)) for name, value in sorted(values.items()))
    parts = [f"### from {module.__name__} import …\n", _table(("name", "what it is"), rows)]
    for name, value in values.items():
        if isinstance(value, type) and (fields := _attributes(value)):
            parts += [f"#### {module.__name__}.{name}\n", _table(("field", ""), fields.items())]
    return "\n".join(parts)


def _attributes(kind: type) -> Mapping[str, str]:
    """The fields that a docstring describes."""
    section = re.search(
        r"^Attributes:\n((?:    .*\n?|\n)+)", inspect.getdoc(kind) or "", re.MULTILINE
    )
    rows = _ATTRIBUTE.findall(section[1]) if section else []
    return {f"`{name}`": " ".join(text.split()) for name, text in rows}


def _first_line(value: object) -> str:
    """The first sentence of a docstring; nothing for a plain value, which has that of its type."""
    own = inspect.isclass(value) or inspect.isroutine(value)
    return (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ") if own else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"
