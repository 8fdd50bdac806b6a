"""Skills: valid, short, and their evaluations name only commands that exist."""

import json
import re
from pathlib import Path

import click
import pytest
import skills_ref

from agents.__main__ import ROOT as COMPOSITION
from agents.cli.docs import programs_of, project_of
from agents.cli.main import cli
from agents.documents.programs import Programs
from agents.documents.shell import command_lines

ROOT = Path(__file__).parents[2]
SKILLS = sorted((ROOT / ".agents" / "skills").iterdir())
EVALS = [(skill, skill / "evals" / "evals.json") for skill in SKILLS]
NAME = re.compile(r"`(\w+)`")
WRONG_ON_PURPOSE = {"modal token list"}
"""Commands that do not exist, and that an agent must not use."""


def cases():
    for skill, path in EVALS:
        for case in json.loads(path.read_text(encoding="utf-8"))["evals"]:
            yield pytest.param(case, id=f"{skill.name}-{case['id']}")


@pytest.fixture(scope="module")
def programs():
    project = project_of(ROOT, COMPOSITION().contributions)
    return Programs(ROOT, programs_of(click.Context(cli, obj=COMPOSITION), project))


def test_there_is_a_skill_for_each_of_the_main_jobs():
    names = [skill.name for skill in SKILLS]
    assert names == ["adr", "goap", "incident-recovery", "model-training"]


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_every_skill_is_valid_and_short(skill):
    assert skills_ref.validate(skill) == []
    assert len((skill / "SKILL.md").read_text(encoding="utf-8").splitlines()) < 500


@pytest.mark.parametrize(("skill", "path"), EVALS, ids=lambda each: each.name)
def test_evaluations_are_of_their_skill_and_complete(skill, path):
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["skill_name"] == skill.name
    assert [case["id"] for case in document["evals"]] == list(range(1, 5))
    for case in document["evals"]:
        assert set(case) == {"id", "prompt", "expected_commands", "expected_output", "must_not"}
        assert case["prompt"]
        assert case["expected_output"]
        assert case["expected_commands"]


@pytest.mark.parametrize("case", list(cases()))
def test_every_command_of_an_evaluation_parses(programs, case):
    for text in [*case["expected_commands"], *case["must_not"]]:
        (command,) = command_lines(text, 1)
        wrong = programs.check(command)
        if text in WRONG_ON_PURPOSE:
            assert wrong
        elif text in case["expected_commands"] or command.words[0] != "rm":
            assert wrong == []


@pytest.mark.parametrize("case", list(cases()))
def test_what_is_expected_is_not_forbidden(case):
    assert not set(case["expected_commands"]) & set(case["must_not"])


def test_the_failures_a_skill_explains_are_those_the_code_names():
    text = (ROOT / ".agents/skills/incident-recovery/SKILL.md").read_text(encoding="utf-8")
    table = text.partition("## By name of the failure")[2].partition("\n## ")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    explained = [name for cell in first_cells for name in NAME.findall(cell)]
    assert len(explained) >= 9
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("agents", "actions", "training")
        for path in sorted((ROOT / folder).rglob("*.py"))
    )
    assert [name for name in explained if f'"{name}"' not in sources] == []
