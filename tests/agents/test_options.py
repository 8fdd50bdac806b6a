"""The words of a command, as its options declare them."""

from pathlib import Path
from typing import ClassVar

import click
import pytest

from agents.cli.options import takes
from agents.declare.words import Options, flag, word
from agents.errors import UsageError
from agents.run.options import RunOptions, StateOptions


class OvenOptions(StateOptions):
    """How to bake."""

    bare: ClassVar[str] = "dish"
    dish: str = word("DISH", example="bread")
    degrees: int = word("N", 180, ge=50, le=300, example="200")
    fan: bool = word("YES", False)
    tray: Path | None = word("DIR", None)


def test_words_become_values_of_their_types_in_any_order():
    options = OvenOptions.read(["fan=true", "bread", "tray=a/b", "degrees=220", "state=x"], "bake")
    assert (options.dish, options.degrees, options.fan) == ("bread", 220, True)
    assert (options.tray, options.state) == (Path("a/b"), Path("x"))


def test_a_value_with_an_equals_sign_is_kept_whole():
    assert OvenOptions.read(["dish=a=b=c"], "bake").dish == "a=b=c"


def test_what_is_not_given_has_its_default_and_the_state_that_of_the_environment(monkeypatch):
    monkeypatch.setenv("AGENTS_STATE", "elsewhere")
    options = OvenOptions.read(["bread"], "bake")
    assert (options.degrees, options.fan, options.tray) == (180, False, None)
    assert options.state == Path("elsewhere")
    assert OvenOptions.read(["bread", "state="], "bake").state == Path("elsewhere")


@pytest.mark.parametrize(
    ("words", "message", "fix"),
    [
        (["bread", "degres=2"], "bake takes dish, degrees, fan, tray, state, not degres=", ""),
        (["bread", "degres=2"], "did you mean 'degrees'?", ""),
        ([], "no dish given: bake needs dish=", "dish=bread"),
        (["bread", "cake"], "dish= is given twice", ""),
        (["bread", "dish=cake"], "dish= is given twice", ""),
        (["bread", "degrees=hot"], "degrees=hot: ", "degrees=200"),
        (["bread", "degrees=20"], "degrees=20: input should be greater than or", "degrees=200"),
        (["bread", "degrees="], "degrees=: ", "degrees=200"),
        (["bread", "fan=perhaps"], "fan=perhaps: ", ""),
        (["bread", "=x"], "is not of the form key=value", "goal==x"),
        (["bread", "tray=\udcff"], "is not text in UTF-8", "rename the file"),
    ],
)
def test_a_word_that_is_wrong_is_named_with_what_would_be_right(words, message, fix):
    with pytest.raises(UsageError) as caught:
        OvenOptions.read(words, "bake")
    assert message in caught.value.message
    assert caught.value.fix.startswith(fix)


def test_the_usage_is_made_of_the_words_its_own_first():
    assert OvenOptions.usage() == "DISH [degrees=N] [fan=YES] [tray=DIR] [state=DIR]"
    assert RunOptions.usage() == "[RUN] [state=DIR]"

    class CoalOptions(OvenOptions):
        """With coal."""

        coal: int = word("KG", 1)
        smoke: bool = flag("--smoke", about="Let it smoke.")

    assert CoalOptions.usage() == f"[coal=KG] {OvenOptions.usage()}"


def test_a_flag_is_no_word():
    class LoudOptions(Options):
        """How loud."""

        loud: bool = flag("--loud", about="Ring the bell.")

    assert LoudOptions.read([], "ring", {"loud": True}).loud
    with pytest.raises(UsageError, match="not loud="):
        LoudOptions.read(["loud=true"], "ring")


def test_a_command_without_a_word_of_its_own_takes_no_bare_word():
    class Nothing(Options):
        """No words."""

    with pytest.raises(UsageError, match="'bread' is not of the form key=value"):
        Nothing.read(["bread"], "rest")


def test_a_command_gets_its_options_and_click_shows_their_usage():
    baked = []

    @click.command("bake")
    @takes(OvenOptions)
    def bake(options):
        baked.append(options.dish)

    bake.main(["pie", "degrees=100"], standalone_mode=False)
    assert baked == ["pie"]
    assert "DISH [degrees=N]" in bake.get_usage(click.Context(bake, info_name="bake"))
