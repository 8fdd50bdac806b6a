"""The reference says what the program says of itself."""

import json
from pathlib import Path

import pytest

import agents
import training
from agents.__main__ import COMMANDS as BESIDES
from agents.__main__ import ROOT as COMPOSITION
from agents.cli.main import COMMANDS, invoke

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference.md"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOAP_CATALOGUE", raising=False)

    def call(*words, code=0):
        assert invoke(COMPOSITION, ["docs", "reference", *words]) == code
        return capsys.readouterr().out

    return call


@pytest.fixture
def page(call):
    return json.loads(call("--json"))["data"]["page"]


def test_the_page_is_the_one_that_is_made_now(call):
    assert call(f"out={PAGE}", "--check") == f"{PAGE}: as it is\n", "make reference"


def test_every_command_goal_fact_code_and_public_name_is_on_it(page):
    groups = ("adr", "docs", "learnings", "ledger")
    names = {*COMMANDS, *BESIDES} - set(groups)
    assert [name for name in names if f"### goap {name}\n" not in page] == []
    assert [name for name in groups if f"### goap {name} " not in page] == []
    catalogue = COMPOSITION()
    assert [name for name in catalogue.goals if f"### goal={name}\n" not in page] == []
    assert [name for name in catalogue.facts if f"\n| `{name}` |" not in page] == []
    public = [*agents.__all__, *training.__all__]
    assert [name for name in public if f"\n| `{name}` |" not in page] == []
    assert [code for code in (0, 2, 3, 8, 130) if f"\n| {code} | " not in page] == []


def test_a_command_is_described_with_its_words_and_flags(page):
    part = page.partition("### goap logs\n")[2].partition("\n### ")[0]
    assert "goap logs [RUN|KEY]" in part
    assert "| `--lines, -n N` | Only so many of the last lines. |" in part
    assert "--help" not in part


def test_what_changed_is_noticed_and_written(call, tmp_path):
    out = tmp_path / "reference.md"
    assert "is outdated" in call("out=reference.md", "--check", code=1)
    assert not out.exists()
    assert "written" in call("out=reference.md")
    assert out.read_text("utf-8") == PAGE.read_text("utf-8")
