"""Documents tell the truth: every command parses, every file exists, every skill is valid."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
import skills_ref

from agents.__main__ import load_catalogue
from agents.cli.main import cli
from agents.cli.words import ENGINE_KEYS, parse_words
from agents.errors import GoapError

ROOT = Path(__file__).parents[2]
SKILLS = sorted((ROOT / ".agents" / "skills").iterdir())
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "AGENTS.md",
        *ROOT.glob("agents-docs/*.md"),
        *(skill / "SKILL.md" for skill in SKILLS),
    ]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def commands(text):
    """Command lines of shell blocks and of inline code, without comments."""
    lines = [
        line for kind, body in FENCE.findall(text) if kind == "bash" for line in body.split("\n")
    ]
    lines += re.findall(r"`((?:\.venv/bin/)?python -m [^`\n]+|make [a-z-]+|modal [^`\n]+)`", text)
    for line in lines:
        words = shlex.split(line, comments=True)
        if words:
            yield words


def every_command():
    for page in PAGES:
        for words in commands(page.read_text(encoding="utf-8")):
            yield pytest.param(page, words, id=f"{page.parent.name}/{page.name}: {' '.join(words)}")


def parse_ours(words):
    """Parse a command line of ours against the real command tree and the real catalogue."""
    if words == ["--help"]:
        return
    group = cli.make_context("agents", ["goals"], resilient_parsing=True)
    command = cli.get_command(group, words[0])
    assert command is not None, f"there is no command {words[0]}"
    context = command.make_context(words[0], list(words[1:]))
    given = parse_words(context.params.get("words", ()))
    if words[0] in ("plan", "run", "status", "explain"):
        catalogue = load_catalogue()
        goal = catalogue.goal(given.pop("goal", "trained_dit"))
        catalogue.parameters(
            goal, {key: value for key, value in given.items() if key not in ENGINE_KEYS}
        )


def parse_modal(words):
    from modal.cli.entry_point import entrypoint_cli

    command, context = entrypoint_cli, click.Context(entrypoint_cli)
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        assert found is not None, f"modal has no command {rest[0]}"
        command, context = found, click.Context(found, parent=context, info_name=rest.pop(0))


def check_command(words):
    if words[0].startswith(".venv/bin/"):
        words = [words[0].removeprefix(".venv/bin/"), *words[1:]]
    if words[:3] == ["python", "-m", "agents"]:
        parse_ours(words[3:])
    elif words[:3] == ["python", "-m", "training"]:
        from training.__main__ import _parser

        _parser().parse_args(words[3:])
    elif words[:3] == ["python", "-m", "pytest"]:
        assert (ROOT / words[3]).exists()
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    elif words[0] == "modal":
        parse_modal(words[1:])
    else:
        assert words == ["source", ".venv/bin/activate"]


@pytest.mark.parametrize(("page", "words"), list(every_command()))
def test_every_command_in_a_document_parses(page, words):
    check_command(words)


@pytest.mark.parametrize(
    "line",
    [
        "python -m agents plann goal=trained_dit",
        "python -m agents plan goal=trained_ditt",
        "python -m agents plan goal=trained_dit presett=tiny",
        "python -m agents runs --jason",
        "make runn",
        "modal token list",
        "modal volum ls",
        "python -m training trian",
        "rm -rf checkpoints",
    ],
)
def test_a_wrong_command_in_a_document_would_be_noticed(line):
    with pytest.raises((AssertionError, GoapError, click.ClickException, SystemExit)):
        check_command(shlex.split(line))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_file_a_document_links_to_exists(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_every_skill_is_valid_and_short(skill):
    assert skills_ref.validate(skill) == []
    assert len((skill / "SKILL.md").read_text(encoding="utf-8").splitlines()) < 500


def test_agents_md_is_short_and_has_every_exit_code():
    text = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    from agents import errors

    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, GoapError)
    }
    for code in {0, *codes}:
        assert f"\n| {code} |" in text


def test_the_readme_starts_with_the_two_commands():
    blocks = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    kind, body = blocks[0]
    assert kind == "bash"
    assert [line.split("#")[0].strip() for line in body.splitlines()] == ["make run", "make test"]


def test_every_goal_and_command_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in load_catalogue().goals:
        assert f"goal={name}" in text


def test_python_in_the_readme_runs():
    for kind, body in FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        if kind == "python":
            ast.parse(body)
            exec(compile(body, "README.md", "exec"), {})  # noqa: S102 - our own page
