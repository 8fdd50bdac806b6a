"""The page of the declaration says every argument, and its programs are declarations."""

import dataclasses
import re
from pathlib import Path

import pytest

from training import Bucket, Gate, Keep, Metrics, Prepare, Results, Training
from training.errors import ConfigError
from training.runner.command import filled

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "training-declaration.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FIELDS = {each.name: each for each in dataclasses.fields(Training) if each.init}
CELLS = [[cell.strip() for cell in line.split("|")] for line in PAGE.splitlines()]
ROWS = [
    (row[1].strip("`"), row[2].split()[0], row[3])
    for row in CELLS
    if len(row) == 6 and re.fullmatch(r"`\w+`", row[1])
]
EXAMPLE = re.compile(r"^\| `(train.py .*?)` \| `(.*?)` \| `(.*?)` \|$", re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("train_lm.py", "input.txt", "prepare.py", "finetune.py", "train.sh"):
        (tmp_path / name).write_text("")
    for name in ("texts", "raw"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("a")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_argument_has_a_row_and_every_row_is_an_argument():
    assert sorted(name for name, _, _ in ROWS) == sorted(FIELDS)


def test_the_page_says_of_every_argument_whether_it_is_in_the_key():
    said = {name: word in ("yes", "yes,", "its") for name, word, _ in ROWS}
    parts = {"command", "settings", "source", "requirements", "apt", "python", "env"}
    assert {name for name, is_in in said.items() if is_in} == {*parts, "shell", "data", "init"}


def test_the_defaults_of_the_page_are_those_of_the_arguments():
    for name, _, text in ROWS:
        default = FIELDS[name].default
        if re.fullmatch(r"`[^`*.]*`", text) and default is not dataclasses.MISSING:
            assert text == f"`{default!r}`".replace("'", '"')


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_every_program_of_the_page_is_a_declaration(folder, program):
    path = folder / "job.py"
    path.write_text(program)
    names = {"__name__": "job"}
    exec(compile(program, str(path), "exec"), names)  # noqa: S102 - it is on our page
    declared = [each for each in names.values() if isinstance(each, Training)]
    assert all(each.folder == folder for each in declared)
    assert declared


def test_the_error_of_the_page_is_what_is_said(folder):
    program = PROGRAMS[0].replace("{steps}", "{stepz}")
    (folder / "job.py").write_text(program)
    with pytest.raises(ConfigError) as caught:
        exec(compile(program, str(folder / "job.py"), "exec"), {})  # noqa: S102 - see above
    assert f"error: {caught.value.message}\n  fix: {caught.value.fix}\n" in PAGE


def test_the_words_of_the_page_are_those_that_are_started():
    rows = EXAMPLE.findall(PAGE)
    assert len(rows) == 3
    for words, resumed, begun in rows:
        checkpoint = "/…/step-00000050"
        assert " ".join(filled(words.split(), {"resume": checkpoint})) == resumed
        assert " ".join(filled(words.split(), {"resume": ""})) == begun


@pytest.mark.parametrize("kind", [Gate, Keep, Metrics, Results, Prepare, Bucket])
def test_the_classes_of_the_page_have_these_arguments(kind):
    names = ", ".join(field.name for field in dataclasses.fields(kind))
    assert f"| `{kind.__name__}({names})` |" in PAGE
