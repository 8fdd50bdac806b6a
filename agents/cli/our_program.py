"""``python -m agents …`` command lines, against our command tree and the catalogue."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence

import click

from agents.cli.options import Words
from agents.cli.words import question
from agents.command import PROGRAM
from agents.declare.catalogue import Catalogue
from agents.declare.words import Options, parse_words
from agents.documents.click_tree import Leaf, check_click, walk_click
from agents.documents.findings import nearest_word
from agents.documents.shell import PLACEHOLDER, is_placeholder
from agents.errors import GoapError, UsageError
from agents.run.asking import ENGINE_KEYS
from agents.schemas import schemas

__all__ = ["OurProgram"]

_RUN = re.compile(r"last(?:~\d+)?|\d[\w-]*|[\w-]*=.*")
_KEY = re.compile(r"\b([a-z_]+)=")
_KEY_NAMED = re.compile(r"[0-9a-f]{4,16}")
EVERYWHERE = ("repo", "state")
ABOUT_A_GOAL = ("plan", "run", "status", "explain")


class OurProgram:
    """Checks ``python -m agents …``.

    Args:
        tree: The command tree.
        catalogue: The goals, whose parameters are words too.
    """

    def __init__(self, tree: click.Group, catalogue: Callable[[], Catalogue]) -> None:
        self.tree, self.catalogue = tree, catalogue

    def check(self, words: Sequence[str], *, complete: bool) -> Iterator[str]:
        """What is wrong with the words after ``python -m agents``."""
        leaf = walk_click(self.tree, PROGRAM, words, self.catalogue)
        if isinstance(leaf, str):
            yield leaf
            return
        problems = list(check_click(leaf, complete=complete))
        yield from problems
        if problems or isinstance(leaf.command, click.Group) or "--help" in leaf.rest:
            return
        parsed = leaf.command.make_parser(leaf.context).parse_args(list(leaf.rest))[0]
        words_given = parsed.get("options", parsed.get("words"))
        typed = words_given if isinstance(words_given, tuple | list) else ()
        yield from self._check_arguments(leaf, typed)
        try:
            if leaf.command.name in ABOUT_A_GOAL:
                self._ask(leaf, parsed.get("name"), typed, complete=complete)
            else:
                yield from self._check_keys(leaf, typed)
        except GoapError as error:
            yield f"{leaf.context.command_path}: {error.message}"

    def _check_arguments(self, leaf: Leaf, typed: Sequence[str]) -> Iterator[str]:
        """Runs and schemas, which are named without a key."""
        path, options = leaf.context.command_path, _options_of(leaf.command)
        named = ["RUN"] if leaf.command.name == "runs" else _bare_of(options)
        for name in typed if "RUN" in named else ():
            is_key = "KEY" in named and _KEY_NAMED.fullmatch(name)
            if name != "diff" and not (_RUN.fullmatch(name) or is_key or is_placeholder(name)):
                yield f"{path}: {name!r} is no run: give an id, the beginning of one, or last"
        if leaf.command.name == "schema":
            names = schemas(self.catalogue())
            for word in typed:
                if "=" not in word and word not in names and not is_placeholder(word):
                    yield f"{path}: there is no schema {word!r}{nearest_word(word, names)}"

    def _check_keys(self, leaf: Leaf, words: Sequence[str]) -> Iterator[str]:
        """Keys a command does not name in its own help are not there."""
        command, context = leaf.command, leaf.context
        options = _options_of(command)
        if options is not None:
            yield from _unknown(context.command_path, words, options.names())
            return
        usage = " ".join(command.collect_usage_pieces(context)) + (command.help or "")
        values = dict(word.split("=", 1) for word in words if _KEY.match(word))
        keys = {*_KEY.findall(usage), *EVERYWHERE}
        if "key" in keys and "goal" not in keys:
            return  # it takes any key=value
        if "key" in keys and not is_placeholder(values.get("goal", PLACEHOLDER)):
            keys |= set(self.catalogue().goal(values["goal"]).parameters.model_fields)
        yield from _unknown(context.command_path, words, keys)

    def _ask(self, leaf: Leaf, name: object, typed: Sequence[str], *, complete: bool) -> None:
        """Build the request of the words, which checks the goal and each parameter."""
        catalogue = self.catalogue()
        words = parse_words(typed)
        if isinstance(name, str):
            _check_name(catalogue, name)
        real = [f"{key}={value}" for key, value in words.items() if not is_placeholder(value)]
        needed = leaf.command.name in ("plan", "run") and complete and "goal" not in words
        context = click.Context(leaf.command, info_name=leaf.context.command_path)
        context.obj = lambda: catalogue
        default = "" if needed else next(iter(catalogue.goals))
        goal_question = question(context, real, default_goal=default)
        keys = {*goal_question.goal.parameters.model_fields, *ENGINE_KEYS}
        for key in words:
            if key not in keys:
                raise UsageError(f"unknown key {key!r}{nearest_word(key, keys)}")


def _options_of(command: click.Command) -> type[Options] | None:
    return next((each.options for each in command.params if isinstance(each, Words)), None)


def _bare_of(options: type[Options] | None) -> list[str]:
    """What the word that needs no name is: a run, a key."""
    if options is None or not options.bare:
        return []
    return str(options.model_fields[options.bare].title).split("|")


def _unknown(path: str, words: Sequence[str], keys: Collection[str]) -> Iterator[str]:
    for word in words:
        if _KEY.match(word) and word.partition("=")[0] not in keys:
            key = word.partition("=")[0]
            yield f"{path}: unknown key {key!r}{nearest_word(key, keys)}"


def _check_name(catalogue: Catalogue, named: str) -> None:
    name = named.removeprefix("goal=")
    names = [*catalogue.goals, *catalogue.actions, *catalogue.facts]
    if name not in names and not is_placeholder(name):
        raise UsageError(f"nothing is called {name!r}{nearest_word(name, names)}")
