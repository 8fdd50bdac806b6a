"""The workflows: valid by the schema, and every command in them is one that exists."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from agents.__main__ import ROOT as COMPOSITION
from agents.cli.docs import programs_of, project_of
from agents.cli.main import cli
from agents.documents.programs import Programs
from agents.documents.shell import command_lines

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def validate(*paths: Path) -> "subprocess.CompletedProcess[str]":
    program = Path(sys.executable).with_name("check-jsonschema")
    words = ["--builtin-schema", "vendor.github-workflows", *map(str, paths)]
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def scripts(path: Path) -> list[str]:
    workflow: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return [step["run"] for step in steps if "run" in step]


def test_the_workflows_are_valid_and_a_slip_is_not(tmp_path: Path) -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "train.yml"]
    valid = validate(*WORKFLOWS)
    assert valid.returncode == 0, valid.stdout
    slip = tmp_path / "train.yml"
    text = (ROOT / ".github" / "workflows" / "train.yml").read_text(encoding="utf-8")
    slip.write_text(text.replace("runs-on:", "run-on:"), encoding="utf-8")
    assert validate(slip).returncode == 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_05_every_command_of_a_workflow_is_one_that_exists(path: Path) -> None:
    project = project_of(ROOT, COMPOSITION().contributions)
    judges = Programs(ROOT, programs_of(click.Context(cli, obj=COMPOSITION), project))
    judged = 0
    for script in scripts(path):
        for command in command_lines(script, 1):
            found = judges.check(command)
            judged += found is not None
            assert not found, command.text
    assert judged >= 1


def test_ci_runs_what_a_person_runs() -> None:
    assert scripts(ROOT / ".github" / "workflows" / "ci.yml") == ["make test"]
