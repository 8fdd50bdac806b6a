"""Documents tell the truth: every command parses, every file exists, every skill is valid."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import pytest

from agents.__main__ import ROOT as COMPOSITION
from agents.__main__ import load_catalogue
from agents.cli.docs import programs_of, project_of
from agents.cli.main import cli, invoke
from agents.command import PROGRAM
from agents.documents import check_pages, find_pages
from agents.documents.page import read_page
from agents.documents.programs import Programs
from agents.documents.shell import command_lines
from agents.errors import GoapError

ROOT = Path(__file__).parents[2]
SKILLS = sorted((ROOT / ".agents" / "skills").iterdir())
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "AGENTS.md",
        *ROOT.glob("agents-docs/*.md"),
        *ROOT.glob("docs/*.md"),
        *(skill / "SKILL.md" for skill in SKILLS),
    ]
)
COMMAND = re.compile(r"python -m (?:agents|training) [a-z][^\n;(]*")
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs" / "your-own-training.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def report():
    context = click.Context(cli, obj=COMPOSITION)
    project = project_of(ROOT, COMPOSITION().contributions)
    return check_pages(find_pages(ROOT), project, programs_of(context, project))


def test_every_page_of_the_project_is_checked(report):
    assert set(PAGES) <= set(report.pages)


@pytest.mark.parametrize("kind", ["command", "file", "link", "api", "heading"])
def test_what_our_pages_quote_is_really_there(report, kind):
    assert [str(each) for each in report.findings if each.kind == kind] == []


def test_our_pages_quote_no_command_that_nobody_can_judge(report):
    assert report.unjudged == []


def test_the_commands_of_our_pages_are_found(report):
    assert report.commands >= 40


def test_every_command_that_an_error_or_a_text_of_ours_names_parses():
    project = project_of(ROOT, COMPOSITION().contributions)
    programs = Programs(ROOT, programs_of(click.Context(cli, obj=COMPOSITION), project))
    wrong, found = [], 0
    for folder in ("actions", "agents", "goals", "training"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for quoted in _quoted(ast.parse(path.read_text(encoding="utf-8"))):
                found += 1
                if not any(_parses(programs, text) for text in _readings(quoted)):
                    wrong.append(f"{path.relative_to(ROOT)}: {quoted}")
    assert wrong == []
    assert found > 40


def _quoted(tree):
    """Our commands in the strings of a module, with a word where a value will be."""
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    inside = {id(part) for node in joined for part in node.values}
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            if node.func.id == "command":
                yield from COMMAND.findall(f"{PROGRAM} {_text(node.args[0])}")
        else:
            yield from COMMAND.findall(_text(node))


def _text(node):
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else "WORD"
        for part in parts
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )


def _readings(quoted):
    """What may be meant: prose may follow a command, and a value may be words of a goal."""
    words = quoted.rstrip(".,:`) ").split(" ")
    if len(words) == 4:
        yield f"{quoted} --help"  # only the name of the command
    for end in range(len(words), 3, -1):
        text = " ".join(words[:end])
        yield from (text, text.replace("WORD", "goal=trained_dit"))


def _parses(programs, text):
    lines = list(command_lines(text.rstrip(".,:;`)"), 1))
    return len(lines) == 1 and programs.check(lines[0]) == []


def test_little_of_our_pages_is_exempted(report):
    """Each exempted line quotes, on purpose, a command that does not exist."""
    assert report.silenced <= 6


def test_a_slip_in_any_name_of_any_command_of_ours_would_be_noticed():
    """Two letters of one command, option or key swapped, for each in turn."""
    project = project_of(ROOT, COMPOSITION().contributions)
    judges = Programs(ROOT, programs_of(click.Context(cli, obj=COMPOSITION), project))
    tried = 0
    for page in find_pages(ROOT):
        for command in read_page(page).commands(judges.names):
            if "pytest" in command.words:
                continue  # its words are the reader's own
            for slipped in slips(command):
                tried += 1
                assert judges.check(slipped), f"{page.name}:{command.line}: {slipped.text}"
    assert tried > 150


def slips(command):
    for place, word in enumerate(command.words[1:], start=1):
        name, equals, value = word.partition("=")
        is_name = word.startswith("--") or equals or re.fullmatch(r"[a-z_]+", word)
        if is_name and len(name) > 2 and name[-1] != name[-2]:
            words = list(command.words)
            words[place] = name[:-2] + name[-1] + name[-2] + equals + value
            yield replace(command, words=tuple(words))


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


def test_the_readme_is_a_start():
    assert len(README.splitlines()) <= 90
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert f"(docs/{page.name})" in README


def test_the_run_in_the_readme_is_the_one_that_the_tutorial_makes():
    (shown,) = [body for kind, body in FENCE.findall(README) if kind == "text"]
    assert shown in [body for kind, body in FENCE.findall(TUTORIAL) if kind == "text"]


def test_the_training_in_the_readme_is_one(tmp_path):
    (job,) = [body for kind, body in FENCE.findall(README) if kind == "python"]
    for name, text in {
        "job.py": job,
        "train_lm.py": "",
        "input.txt": "text",
        "pyproject.toml": '[tool.goap]\ncatalogue = "job:CATALOGUE"\n',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    declaration = job[job.index("class Settings") :]
    assert len([line for line in declaration.splitlines() if line]) <= 16
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            str(ROOT / "goap_start.py"),
            "plan",
            "goal=char_lm_trained",
            "--json",
        ],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["status"] == "optimal"


def test_the_plan_in_the_guide_is_what_plan_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(COMPOSITION, ["plan", "goal=trained_dit"]) == 0
    (quoted,) = [body for kind, body in FENCE.findall(GUIDE) if body.startswith("goal trained_dit")]
    assert _without_figures(quoted) == _without_figures(capsys.readouterr().out)


def _without_figures(text):
    """The words of a plan: folder, free space and digests differ from machine to machine."""
    flat = re.sub(r"/\S*(?=\.goap/)|\b[0-9a-f]{12}\b|\d[\d,.]*", "#", text)
    return [line.split() for line in flat.splitlines()]


def test_every_goal_of_ours_is_on_the_page_of_our_models():
    text = (ROOT / "docs" / "cats.md").read_text(encoding="utf-8")
    for name in load_catalogue().goals:
        assert f"goal={name}" in text


def test_python_in_the_guide_runs():
    blocks = [body for kind, body in FENCE.findall(GUIDE) if kind == "python"]
    assert blocks
    for body in blocks:
        exec(compile(body, "guide.md", "exec"), {})  # noqa: S102 - our own page
