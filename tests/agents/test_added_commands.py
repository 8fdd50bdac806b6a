"""Commands that a catalogue adds: found, listed, run and judged like those of the engine."""

import json
from dataclasses import dataclass, field
from importlib import import_module

import pytest

from agents.__main__ import COMMANDS
from agents.cli.main import Composition, cli, invoke
from agents.cli.our_program import OurProgram
from agents.declare.catalogue import Catalogue
from agents.declare.commands import Answer, Command
from agents.declare.contributions import Contributions
from agents.declare.words import Options, flag, word
from agents.errors import Interrupted, Transient, UsageError
from agents.ledger.redaction import _secrets_of_process


class PourOptions(Options):
    """What is poured."""

    bare = "drink"
    drink: str = word("DRINK", "tea", example="tea")
    cups: int = word("N", 1, ge=1, example="2")
    hot: bool = flag("--hot", "-t", about="Boil it first.")
    sugar: int = flag("--sugar", about="Spoons.", metavar="N", default=0, ge=0)


@dataclass
class Bar:
    """What the command does, and what it was asked."""

    error: BaseException | None = None
    code: int = 0
    word: str = "cup"
    poured: list[PourOptions] = field(default_factory=list)

    def pour(self, options, terminal):
        self.poured.append(options)
        terminal.say(f"pouring a {self.word}")
        for cup in range(options.cups):
            terminal.write(f"{self.word} {cup + 1}\n")
        if self.error is not None:
            raise self.error
        return Answer({"cups": options.cups, "of": self.word}, f"poured {self.word}s", self.code)


BAR = Bar()
POUR = Command("pour", "Pour a drink.", PourOptions, BAR.pour, "DRINK is tea, or something else.")


class Barkeeper(Contributions):
    """Adds one command."""

    def commands(self):
        return (Command("mix", "Mix a drink.", PourOptions, BAR.pour),)


@pytest.fixture
def bar():
    BAR.error, BAR.code, BAR.poured, BAR.word = None, 0, [], "cup"
    return BAR


@pytest.fixture
def root(kit):
    declared = kit.catalogue
    catalogue = Catalogue(
        declared.facts,
        declared.sensors.values(),
        declared.actions.values(),
        declared.goals.values(),
        contributions=Barkeeper(),
    )
    return Composition(lambda: catalogue, commands={"pour": (f"{__name__}:POUR", "Pour a drink.")})


@pytest.fixture
def call(root, bar, capsys):
    def call(*words, code=0):
        assert invoke(root, words) == code
        return capsys.readouterr()

    return call


def test_help_lists_the_programs_own_with_their_line_and_loads_no_catalogue(bar, capsys):
    def refuse():
        raise AssertionError("help waits for no job")

    root = Composition(refuse, commands={"pour": ("nowhere:POUR", "Pour a drink.")})
    assert invoke(root, ["--help"]) == 0
    assert "  pour       Pour a drink." in capsys.readouterr().out


def test_it_reads_words_and_flags_into_its_options_and_writes_as_it_goes(call, bar):
    printed = call("pour", "cups=2", "coffee", "--sugar", "3", "-t")
    assert bar.poured == [PourOptions(drink="coffee", cups=2, hot=True, sugar=3)]
    assert printed.out == "cup 1\ncup 2\npoured cups\n"
    assert printed.err == "pouring a cup\n"


def test_as_json_it_prints_one_document_and_nothing_else(call):
    printed = call("pour", "cups=2", "--json")
    document = json.loads(printed.out)
    data = {"cups": 2, "of": "cup"}
    assert document == {"schema": "agents.pour/1", "ok": True, "error": None, "data": data}


def test_no_secret_is_printed_by_it_wherever_it_says_one(call, bar, monkeypatch):
    monkeypatch.setenv("BARKEEPER_PASS", "a-word-0123456789")
    _secrets_of_process.cache_clear()
    bar.word = "a-word-0123456789"
    bar.error = UsageError(f"no {bar.word} left", fix=f"buy {bar.word}")
    refused = call("pour", code=2)
    bar.error = None
    for printed in (refused, call("pour"), call("pour", "--json")):
        assert "[secret" in printed.err
        assert "0123456789" not in printed.out + printed.err
    monkeypatch.undo()
    _secrets_of_process.cache_clear()


def test_its_exit_code_is_the_commands(call, bar):
    bar.code = 1
    assert "poured" in call("pour", code=1).out


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Transient("no water", fix="wait"), 3, "error: no water\n  fix: wait"),
        (Interrupted("left"), 130, "error: left"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_its_errors_end_as_those_of_other_commands(call, bar, error, code, said):
    bar.error = error
    assert said in call("pour", code=code).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pour", "cup=2"], "pour takes drink, cups, not cup=; did you mean 'cups'?"),
        (["pour", "sugar=2"], "pour takes drink, cups, not sugar="),
        (["pour", "cups=0"], "cups=0: input should be greater than or equal to 1"),
        (["pour", "--sugar", "lots"], "--sugar lots: input should be a valid integer"),
        (["pour", "--suger", "1"], "No such option"),
        (["puor"], "there is no command 'puor'; did you mean 'pour'?"),
        (["mx"], "did you mean 'mix'?"),
        (["nothing-like-it"], "; this catalogue adds mix"),
    ],
)
def test_a_wrong_word_ends_with_exit_code_2_and_what_would_be_right(call, words, said):
    assert said in call(*words, code=2).err


def test_its_own_help_shows_words_flags_and_details(call):
    shown = call("pour", "--help").out
    assert "pour [OPTIONS] [DRINK] [cups=N]" in shown
    assert "-t, --hot  " in shown
    assert "DRINK is tea, or something else." in shown


def test_one_that_the_catalogue_adds_is_found_by_its_name(call, bar):
    call("mix", "punch")
    assert [each.drink for each in bar.poured] == ["punch"]


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["pour", "tea", "--hot"], ""),
        (["pour", "cup=2"], "unknown key 'cup'"),
        (["pour", "--hott"], "has no option '--hott'"),
        (["puor"], "has no command 'puor'"),
    ],
)
def test_a_page_that_quotes_it_is_judged(call, root, words, wrong):
    found = list(OurProgram(cli, root).check(words, complete=True))
    assert wrong in "".join(found) if wrong else found == []


def test_the_programs_own_are_what_its_table_says():
    for name, (where, summary) in COMMANDS.items():
        module, _, attribute = where.partition(":")
        declared = getattr(import_module(module), attribute)
        assert (declared.name, declared.summary) == (name, summary)
