"""Start-up: what is imported, and that it stays light."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    *("torch", "modal", "numpy", "PIL", "safetensors", "git", "grpclib", "aiohttp"),
    *("jinja2", "rich", "markdown_it", "mcp"),
}
OUR_MODELS = {
    *("goals.parameters", "goals.trained_dit", "goals.trained_classifier", "goals.best_dit"),
    *("training.learn", "training.judge", "training.data", "training.script", "training.own"),
}
"""What our own models are trained with: no business of anybody else's training."""


IMPORTED = (
    "import sys\n"
    "from goap_start import main\n"
    "code = main()\n"
    "print(*sys.modules, sep='\\n', file=sys.stderr)\n"
    "sys.exit(code)\n"
)


def modules_imported(*words, cwd):
    """Every module a command line imports, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words],
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(cwd)},
        capture_output=True,
        text=True,
        check=False,
    )
    return set(done.stderr.split()), done.returncode


def imported(*words, cwd):
    """Top-level packages a command line imports, and its exit code."""
    modules, code = modules_imported(*words, cwd=cwd)
    return {module.partition(".")[0] for module in modules}, code


def test_help_imports_neither_torch_nor_modal_nor_anything_heavy(tmp_path):
    packages, code = imported("--help", cwd=tmp_path)
    assert code == 0
    assert "click" in packages
    assert not packages & (HEAVY | {"pydantic", "networkx"})


@pytest.mark.parametrize("goal", ["trained_dit", "trained_classifier", "documented"])
def test_plan_imports_neither_torch_nor_modal(tmp_path, goal):
    packages, code = imported("plan", f"goal={goal}", cwd=tmp_path)
    assert code == 0
    assert {"pydantic", "networkx"} <= packages
    assert not packages & HEAVY
    assert list(tmp_path.iterdir()) == []


def test_a_plan_of_somebody_elses_training_imports_nothing_that_only_our_models_need(tmp_path):
    folder = tmp_path / "char_lm"
    shutil.copytree(ROOT / "docs/examples/char_lm", folder)
    modules, code = modules_imported("plan", "goal=char_lm_trained", cwd=folder)
    assert code == 0
    assert "actions.trained.catalogue" in modules
    prefixes = {".".join(each.split(".")[:n]) for each in modules for n in (1, 2, 3)}
    assert not prefixes & (HEAVY | OUR_MODELS)


def test_a_command_that_makes_much_garbage_collects_it_as_python_always_does(tmp_path):
    program = (
        "import gc, sys, weakref\n"
        "from goap_start import main\n"
        "usual = gc.get_threshold()\n"
        "class Ring: pass\n"
        "def thrown_away():\n"
        "    ring = Ring(); ring.again = ring\n"
        "    return weakref.ref(ring)\n"
        "sys.argv = ['goap', '--help']\n"
        "main()\n"
        "kept, ring = [], thrown_away()\n"
        # to ask for it meanwhile is to hold it, just when Python 3.12 looks for garbage
        "for _ in range(250_000): kept.append([])\n"
        "sys.exit(ring() is not None or gc.get_threshold() != usual or gc.callbacks != [])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


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
        # -P, as `goap` is started: else Python 3.13.0 itself looks for modules in that folder
        [sys.executable, "-P", "-c", program],
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
