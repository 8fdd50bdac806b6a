"""The names a job imports: ``from agents import …``."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import agents
import training

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "names.md"


def test_all_names_what_can_be_imported():
    assert len(agents.__all__) == len(set(agents.__all__))
    for name in agents.__all__:
        assert getattr(agents, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nobody'"):
        _ = agents.nobody


def test_a_type_checker_sees_the_same_names_from_the_same_modules():
    tree = ast.parse(Path(agents.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if (node.module or "").startswith("agents.")
    }
    assert seen == agents._HOME
    assert set(seen) | {"DISTRIBUTION"} == set(agents.__all__)


@pytest.mark.parametrize("name", [n for n in agents.__all__ if not n.isupper()])
def test_each_name_has_a_docstring_and_a_row_on_the_page(name):
    value = getattr(agents, name)
    summary = (inspect.getdoc(value) or "").splitlines()
    assert summary, f"{name} has no docstring"
    assert re.search(rf"^\| `{name}`", PAGE.read_text(encoding="utf-8"), re.MULTILINE), (
        f"{name} has no row in {PAGE.name}"
    )


def test_the_page_names_nothing_that_is_not_there():
    rows = re.findall(r"^\| `(\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    public = {*agents.__all__, *training.__all__} - {"DISTRIBUTION"}
    public |= {"facts_of", "parameters_of", "toolkit"}
    assert sorted(rows) == sorted(public)


def test_importing_the_package_loads_none_of_it():
    program = "import sys, agents\nprint(sorted(n for n in sys.modules if 'agents' in n))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "['agents']\n"
