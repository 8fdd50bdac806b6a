"""The proof of the image: nothing that training imports may be missing from it."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from training.compute import image
from training.compute.local import LocalCompute
from training.errors import ImageError, Interrupted

SOURCE = Path(image.__file__).parents[1]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the source that a test may spoil."""
    target = tmp_path / "source" / "training"
    shutil.copytree(SOURCE, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def test_a_clean_interpreter_imports_every_module_and_takes_two_steps(tmp_path: Path) -> None:
    compute = LocalCompute(tmp_path)
    assert compute.image_status() is None
    said: list[str] = []
    evidence = compute.build_image(said.append, threading.Event())
    assert compute.image_status() == evidence
    proof = image.read_proof(tmp_path, compute.image_fingerprint())
    assert proof is not None
    assert (proof.steps, proof.modules) == (2, len(image.modules()))
    assert 0 < proof.loss < 10
    assert {"torch", "numpy", "pillow", "safetensors", "pydantic"} <= set(proof.requirements)
    assert not {"modal", "click", "gitpython", "pytest"} & set(proof.requirements)


def no_module(source: Path) -> None:
    (source / "aaa.py").write_text("import click\n", encoding="utf-8")


def not_shipped(source: Path) -> None:
    (source / "aaa.py").write_text("import agents.errors\n", encoding="utf-8")


def late(source: Path) -> None:
    smoke = source / "compute" / "smoke.py"
    text = smoke.read_text(encoding="utf-8")
    spoiled = text.replace("    root = Path(volume)\n", "    import git\n    root = Path(volume)\n")
    assert spoiled != text
    smoke.write_text(spoiled, encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "missing"), [(no_module, "click"), (not_shipped, "agents"), (late, "git")]
)
def test_module_not_found_in_the_container_is_found_here(
    tmp_path: Path, copy: Path, spoil: Callable[[Path], None], missing: str
) -> None:
    """Incidents 7 and 8: it happened in the container, five times; here it costs nothing."""
    spoil(copy)
    with pytest.raises(ImageError, match=rf"No module named '{missing}"):
        image.prove(tmp_path, source=copy)
    assert not (tmp_path / "images").exists()


def test_a_change_of_source_asks_for_a_new_proof(copy: Path) -> None:
    before = image.fingerprint(copy)
    assert before == image.fingerprint(SOURCE)
    (copy / "model.py").write_text("", encoding="utf-8")
    assert image.fingerprint(copy) != before


def test_a_proof_can_be_stopped(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Interrupted):
        image.prove(tmp_path, cancelled=cancelled)
    assert not (tmp_path / "images").exists()
