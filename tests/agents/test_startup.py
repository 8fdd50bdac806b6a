"""Start-up: what is imported, and that it stays light."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "modal", "numpy", "PIL", "safetensors", "git", "grpclib", "aiohttp"}


def imported(*words, cwd):
    """Top-level packages a command line imports, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}, done.returncode


def test_help_imports_neither_torch_nor_modal_nor_anything_heavy(tmp_path):
    packages, code = imported("agents", "--help", cwd=tmp_path)
    assert code == 0
    assert "click" in packages
    assert not packages & (HEAVY | {"networkx", "pydantic", "jinja2", "rich"})


@pytest.mark.parametrize("goal", ["trained_dit", "trained_classifier", "documented"])
def test_plan_imports_neither_torch_nor_modal(tmp_path, goal):
    packages, code = imported("agents", "plan", f"goal={goal}", cwd=tmp_path)
    assert code == 0
    assert "networkx" in packages
    assert not packages & HEAVY
    assert list(tmp_path.iterdir()) == []


def test_the_engine_imports_nothing_of_the_project(tmp_path):
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "agents").rglob("*.py")
        if path.name not in ("__main__.py", "__init__.py")
    )
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "ours = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(ours & {'goals', 'actions', 'training', 'torch', 'modal'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("training", {"agents", "goals", "actions"}), ("goals", {"actions"})],
)
def test_imports_point_one_way(package, forbidden):
    import ast

    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found = {name.partition(".")[0] for name in names} & forbidden
            assert not found, f"{path} imports {found}"


@pytest.mark.parametrize("words", [["plan", "goal=trained_dit"], ["doctor"], ["schema", "plan"]])
def test_a_working_directory_that_was_removed_is_said_in_one_line(tmp_path, words):
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "place = Path('gone'); place.mkdir(); os.chdir(place); os.rmdir(os.getcwd())\n"
        "from agents.__main__ import main\n"
        f"sys.argv[1:] = {words!r}\n"
        "sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "was removed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["docs", "check"], ["skills", "check"], ["adr", "list"]])
def test_without_git_a_command_that_needs_it_says_so(tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-m", "agents", *words],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2), done.stderr
