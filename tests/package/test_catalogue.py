"""Which catalogue is used, and what is said of one that cannot be."""

import json
import sys

import pytest

from agents.__main__ import ROOT as COMPOSITION
from agents.cli.main import invoke


@pytest.fixture
def call(job, monkeypatch, capsys):
    """A command in this process, in the job's folder; no import of a job outlives it."""
    path, modules = list(sys.path), set(sys.modules)
    monkeypatch.delenv("GOAP_CATALOGUE", raising=False)
    monkeypatch.chdir(job.folder)

    def call(*words, code=0):
        assert invoke(COMPOSITION, words) == code
        return capsys.readouterr()

    yield call
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        origin = getattr(sys.modules[name], "__file__", None) or ""
        if origin.startswith(str(job.folder)):
            del sys.modules[name]


def error_of(call):
    document = json.loads(call("goals", "--json", code=2).out)
    assert set(document["error"]) == {"code", "message", "fix", "retryable"}
    return document["error"]


def test_the_pyproject_beside_the_job_chooses_its_catalogue(call):
    assert "bread" in call("goals").out


def test_the_nearest_pyproject_that_chooses_one_is_meant_from_any_folder_below(
    job, call, monkeypatch
):
    job.write("deep/down/pyproject.toml", '[project]\nname = "says nothing of goap"\n')
    monkeypatch.chdir(job.folder / "deep" / "down")
    assert "bread" in call("goals").out
    job.write("deep/pyproject.toml", '[tool.goap]\ncatalogue = "nearer:HERE"\n')
    assert error_of(call)["message"].startswith(f"{job.folder}/deep/pyproject.toml:2: ")


def test_the_variable_chooses_where_no_pyproject_does(job, call, monkeypatch):
    monkeypatch.setenv("GOAP_CATALOGUE", "other:CATALOGUE")
    assert "bread" in call("goals").out  # the file comes first
    (job.folder / "pyproject.toml").unlink()
    (job.folder / "job.py").rename(job.folder / "other.py")
    assert "bread" in call("goals").out


def test_without_a_choice_the_projects_own_goals_are_meant(job, call):
    (job.folder / "pyproject.toml").unlink()
    assert "trained_dit" in call("goals").out


def test_a_job_may_be_a_module_of_a_package_and_import_what_lies_beside_it(job, call):
    job.write("bakery/__init__.py", "")
    job.write("helpers.py", "from job import CATALOGUE\n")
    job.write("bakery/catalogue.py", "from helpers import CATALOGUE as BREADS\n")
    job.choose("bakery.catalogue:BREADS")
    assert "bread" in call("goals").out


def test_what_a_job_prints_is_not_in_the_json(job, call):
    path = job.write("job.py", "print('hello')\n" + (job.folder / "job.py").read_text("utf-8"))
    assert path.exists()
    printed = call("goals", "--json")
    assert json.loads(printed.out)["ok"]
    assert "hello" in printed.err


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[tool.goap]\ncatalogue = "job"\n', 2, "'job' is not of the form MODULE:NAME"),
        ('[tool.goap]\n\ncatalogue = "a b:C"\n', 3, "'a b:C' is not of the form MODULE:NAME"),
        ('[tool.goap]\n# catalogue = "x:Y"\ncatalogue = ""\n', 3, "'' is not of the form"),
        ("[tool.goap]\ncatalogue = 3\n", 2, "the value of catalogue is a text, not 3"),
        ('[tool.goap]\ncatalog = "job:CATALOGUE"\n', 2, "[tool.goap] has no key catalog; did you"),
        ("\n[tool]\ngoap = 1\n", 3, "[tool.goap] is a table with catalogue, usd"),
        ('[tool.goap]\nusd_per_day = "9"\n', 2, "the value of usd_per_day is a number of dollars"),
        ("[tool.goap]\n\nusd_per_month = -1\n", 3, "dollars, 0 or more, not -1"),
        ('[tool]\ngoap.catalogue = "jobs:C"\n', 2, "there is no module 'jobs'"),
        ('[tool.goap]\ncatalogue = "jobs:C"\n', 2, "there is no module 'jobs'"),
        ('[tool.goap]\ncatalogue = "job.sub:C"\n', 2, "there is no module 'job.sub'"),
        ('[tool.goap]\ncatalogue = "training:C"\n', 2, "training is a package of this program"),
    ],
)
def test_a_choice_that_makes_no_sense_is_named_with_file_and_line(job, call, text, line, said):
    job.write("pyproject.toml", text)
    error = error_of(call)
    assert error["message"].startswith(f"{job.folder}/pyproject.toml:{line}: ")
    assert said in error["message"]
    assert error["fix"]


@pytest.mark.parametrize("content", [b"[tool.goap\n", b'[tool.goap]\nx = "\xff"\n'])
def test_a_pyproject_that_cannot_be_read_is_named(job, call, content):
    (job.folder / "pyproject.toml").write_bytes(content)
    error = error_of(call)
    assert str(job.folder / "pyproject.toml") in error["message"]
    assert str(job.folder / "pyproject.toml") in error["fix"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module\n", "job.py:1: ModuleNotFoundError: No module named"),
        ("x = 1\ny = x / 0\n", "job.py:2: ZeroDivisionError: division by zero"),
        ("x = (\n", "job.py:1: SyntaxError: '(' was never closed"),
        ("import sys\n\nsys.exit(4)\n", "job.py:3: SystemExit: 4"),
        ("import helpers\n", "helpers.py:2: KeyError: 'steps'"),
        ("raise RuntimeError\n", "job.py:1: RuntimeError"),
    ],
)
def test_a_job_that_cannot_be_imported_says_its_own_line_and_no_traceback(job, call, text, said):
    job.write("helpers.py", "settings = {}\nsettings['steps']\n")
    job.write("job.py", text)
    printed = call("goals", code=2)
    assert printed.err.startswith(f"error: {said}")
    assert "Traceback" not in printed.err


def test_a_wrong_declaration_says_the_line_of_the_job_and_the_nearest_name(job, call):
    text = (job.folder / "job.py").read_text("utf-8")
    job.write("job.py", text.replace("needs=F.ground", "needs=F.grond"))
    line = text[: text.index("needs=F.ground")].count("\n") + 1
    assert error_of(call)["message"].startswith(
        f"job.py:{line}: no fact is called 'grond'; did you"
    )


def test_a_wrong_declaration_of_a_training_says_the_line_of_its_argument(job, call):
    job.write("job.py", WRONG_TRAINING)
    error = error_of(call)
    assert error["message"].startswith("job.py:4: command= of 'lm': there is nothing to put in for")
    assert "did you mean 'run_dir'?" in error["message"]
    assert error["fix"] == "correct the name, or add rundir to settings="


WRONG_TRAINING = """\
from training import Training
lm = Training(
    "lm",
    command="echo {rundir}",
)
"""


def test_the_whole_traceback_is_there_for_who_asks(job, call, monkeypatch):
    job.write("job.py", "x = 1 / 0\n")
    monkeypatch.setenv("GOAP_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in call("goals", code=2).err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CATALOG = 1\n", "job.py has no CATALOGUE; did you mean 'CATALOG'?"),
        ("from agents import *\n", "job.py has no CATALOGUE"),
        ("CATALOGUE = [1]\n", "job.py: CATALOGUE is a list, not a Catalogue"),
        ("def CATALOGUE(): ...\n", "job.py: CATALOGUE is a function, not a Catalogue"),
    ],
)
def test_a_name_that_is_missing_or_no_catalogue_is_named_with_its_file(job, call, text, said):
    job.write("job.py", text)
    error = error_of(call)
    assert said in error["message"]
    assert "CATALOGUE = Catalogue(" in error["fix"]


def test_the_one_catalogue_of_a_job_is_offered_whatever_it_is_called(job, call):
    text = (job.folder / "job.py").read_text("utf-8")
    job.write("job.py", text.replace("CATALOGUE = ", "BREADS = "))
    assert "did you mean 'BREADS'?" in error_of(call)["message"]


def test_reading_what_was_done_needs_no_job(job, call):
    job.write("job.py", "x = 1 / 0\n")
    call("runs")
