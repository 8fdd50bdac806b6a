"""What the wheel and the sdist hold."""

import email
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("agents", "goals", "actions", "training", "templates")


@pytest.fixture(scope="session")
def wheel(built):
    with zipfile.ZipFile(built[0]) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_program_the_pins_the_skills_and_nothing_else(source, wheel):
    modules = [
        path.relative_to(source).as_posix()
        for package in PACKAGES
        for path in (source / package).rglob("*")
        if path.suffix in (".py", ".j2", ".json", ".typed")
    ]
    skills = [path.parent.name for path in (source / ".agents/skills").glob("*/SKILL.md")]
    assert "goap" in skills
    expected = {
        *modules,
        "goap_start.py",
        "training/constraints.txt",
        *(f"templates/skills/{name}/SKILL.md" for name in skills),
    }
    held = {name for name in wheel if ".dist-info/" not in name}
    assert held == expected
    assert {f"{package}/py.typed" for package in ("agents", "goals", "actions", "training")} <= held


def test_pins_and_skills_are_the_same_bytes_as_in_the_clone(source, wheel):
    assert wheel["training/constraints.txt"] == (source / "constraints.txt").read_bytes()
    for path in (source / ".agents/skills").glob("*/SKILL.md"):
        assert wheel[f"templates/skills/{path.parent.name}/SKILL.md"] == path.read_bytes()


def test_the_wheel_asks_for_torch_and_what_comes_with_it_as_an_extra_alone(wheel):
    (name,) = (name for name in wheel if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel[name])
    asked = metadata.get_all("Requires-Dist")
    base = {line.partition(">")[0] for line in asked if "extra ==" not in line}
    assert base.isdisjoint({"torch", "numpy", "pillow", "safetensors"})
    assert any(line.startswith("torch") and "train" in line for line in asked)


def test_the_command_starts_in_the_module_whose_name_nobody_else_has(wheel):
    (name,) = (name for name in wheel if name.endswith("entry_points.txt"))
    assert b"goap = goap_start:main" in wheel[name]


def test_a_wheel_built_from_the_sdist_holds_the_same(built, wheel, tmp_path):
    subprocess.run(["tar", "-xzf", built[1], "-C", tmp_path], check=True)
    (folder,) = tmp_path.iterdir()
    program = "import sys\nfrom setuptools import build_meta\nbuild_meta.build_wheel(sys.argv[1])\n"
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=folder, capture_output=True, check=True
    )
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(again) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert {n: b for n, b in held.items() if ".dist-info/" not in n} == {
        n: b for n, b in wheel.items() if ".dist-info/" not in n
    }


def test_the_pins_are_read_from_the_package_where_they_are_installed(built, tmp_path):
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(tmp_path)
    pins = tmp_path / "training" / "constraints.txt"
    changed = pins.read_text("utf-8").replace("safetensors==", "safetensors==9.")
    pins.write_text(changed, encoding="utf-8")
    program = "from training.compute.image import pins\nprint(*pins())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path("/"),
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "safetensors==9." in done.stdout, done.stderr
