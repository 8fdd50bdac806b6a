"""What this program is called: hints name the command that was typed."""

import ast
from pathlib import Path

import pytest

from agents.command import NAMES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("called", NAMES)
def test_a_hint_names_the_command_that_was_typed(job, called):
    start = job.goap if called == "goap" else job.module
    assert f"fix: {called} --help" in start("goal").stderr
    assert f"usage: {called} plan " in start("plan", "--help").stdout.lower()
    assert f"the story: {called} show " in start("run", "goal=bread").stderr


def test_no_text_of_the_engine_spells_the_command_itself():
    literal = set()
    for path in (ROOT / "agents").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        literal |= {
            path.relative_to(ROOT).as_posix()
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and NAMES[0] in node.value
            and id(node) not in docs
        }
    assert literal == {"agents/command.py"}
