"""The proof of the image: nothing that training imports may be missing from it."""

import dataclasses
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from training.compute.local import LocalCompute
from training.compute.recipe import Recipe
from training.declare.order import recipe_of
from training.declare.source import Source
from training.declare.training import Training
from training.errors import ImageError, Interrupted
from training.key import digest_of_files
from training.own import own_recipe, own_source, smoke_of


def prove(volume: Path, source: Source, cancelled: threading.Event | None = None) -> str:
    stopped = cancelled or threading.Event()
    smoke, said = smoke_of(source), list[str]()
    return LocalCompute(volume).prove(own_recipe(), smoke, source, said.append, stopped)


def test_all_that_is_shipped_is_imported_and_two_steps_are_made(tmp_path: Path) -> None:
    compute, source = LocalCompute(tmp_path), own_source()
    recipe, smoke = own_recipe(), smoke_of(source)
    assert compute.proof_of(recipe, smoke) is None
    evidence = prove(tmp_path, source)
    assert "a smoke training came to step 2" in evidence
    assert compute.proof_of(recipe, smoke) == evidence


def no_module(path: Path, text: str) -> str:
    return text + "\nimport nobodys_module\n" if path.name == "pictures.py" else text


def not_shipped(path: Path, text: str) -> str:
    return text + "\nimport agents.errors\n" if path.name == "breeds.py" else text


def late(path: Path, text: str) -> str:
    if path.name != "smoke.py":
        return text
    return text.replace("    steps = int(", "    import no_git_here\n    steps = int(")


def spoiled(place: Path, spoil: Callable[[Path, str], str]) -> Source:
    """What is shipped, with a mistake in it."""
    source = own_source()
    assert source.beside is not None
    source.stage(place / "source")
    source.beside.stage(place / "beside")
    changed = 0
    for path in sorted((place / "beside").rglob("*.py")):
        before = path.read_text(encoding="utf-8")
        after = spoil(path, before)
        path.write_text(after, encoding="utf-8")
        changed += before != after
    assert changed == 1
    files = tuple(sorted(path for path in (place / "beside").rglob("*") if path.is_file()))
    beside = Source(place / "beside", files, digest_of_files(place / "beside", files))
    return dataclasses.replace(source, beside=beside)


@pytest.mark.parametrize(
    ("spoil", "missing"), [(no_module, "nobodys_module"), (not_shipped, "agents"), (late, "no_git")]
)
def test_module_not_found_in_the_container_is_found_here(
    tmp_path: Path, spoil: Callable[[Path, str], str], missing: str
) -> None:
    """Incidents 7 and 8: it happened in the container, five times; here it costs nothing."""
    with pytest.raises(ImageError, match=rf"No module named '{missing}"):
        prove(tmp_path / "volume", spoiled(tmp_path, spoil))
    assert not (tmp_path / "volume" / "images").exists()


def test_a_change_of_what_is_shipped_asks_for_a_new_proof(tmp_path: Path) -> None:
    before = smoke_of(own_source())
    assert before.key == smoke_of(own_source()).key
    assert smoke_of(spoiled(tmp_path, no_module)).key != before.key


def test_a_proof_can_be_stopped(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Interrupted):
        prove(tmp_path, own_source(), cancelled)
    assert not (tmp_path / "images").exists()


def declared(root: Path, script: str) -> tuple[Recipe, Source]:
    (root / "train.py").write_text(script, encoding="utf-8")
    training = Training("cats", command="python train.py", source=("train.py",), root=root)
    files = (root / "train.py",)
    return recipe_of(training), Source(root, files, digest_of_files(root, files))


def proven(root: Path, script: str) -> str:
    recipe, source = declared(root, script)
    return LocalCompute(root / "volume").prove(recipe, None, source, print, threading.Event())


def test_a_script_that_does_not_compile_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"compile: train\.py:2 ") as error:
        proven(tmp_path, "import sys\nif True print(1)\n")
    assert error.value.code == "source_broken"
    assert "Traceback" not in error.value.message


def interpreter_that(tmp_path: Path, does: str) -> Path:
    """An interpreter with a line of its own before what it is started for."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\n{does}\nexec {sys.executable} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def test_ctrl_c_in_a_terminal_does_not_reach_what_asks_an_interpreter_for_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "sessions"
    python = interpreter_that(tmp_path, f"cut -d' ' -f6 /proc/$$/stat >> {seen}")
    monkeypatch.setenv("GOAP_PYTHON", str(python))
    assert "the source compiles" in proven(tmp_path, "print(1)\n")
    sessions = seen.read_text(encoding="utf-8").split()
    assert len(sessions) == 2
    assert str(os.getsid(0)) not in sessions


def test_an_interpreter_that_breaks_is_not_said_to_be_a_broken_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = interpreter_that(tmp_path, '[ "$1" = -I ] && kill -KILL $$')
    monkeypatch.setenv("GOAP_PYTHON", str(python))
    with pytest.raises(ImageError, match="ended with -9") as error:
        proven(tmp_path, "print(1)\n")
    assert error.value.code == "no_interpreter"
