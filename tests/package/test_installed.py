"""The wheel in an empty environment outside of the clone, without any extra."""

import json
import os
import subprocess
import sys
import time
import venv

import pytest

NAMES = ("agents", "goals", "actions", "training", "templates")
MOST_PACKAGES = 45
MOST_MEGABYTES = 150

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("installed")]


@pytest.fixture(scope="module")
def installed(built, source, tmp_path_factory):
    """The directory of the environment's programs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    began = time.monotonic()
    subprocess.run(
        [*pip, "install", "--quiet", "-c", source / "constraints.txt", built[0]], check=True
    )
    print(f"installed in {time.monotonic() - began:.0f} s")
    return folder / "bin"


@pytest.fixture
def goap(installed, job):
    def goap(*words, code=0, program=("goap",), cwd=None, **environment):
        done = subprocess.run(
            [installed / program[0], *program[1:], *words],
            cwd=cwd or job.folder,
            env={"PATH": os.defpath, "HOME": str(job.folder), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    return goap


def crowd(job):
    for name in NAMES:
        job.write(f"{name}/__init__.py", f"raise RuntimeError('{name} of the job was imported')\n")


@pytest.mark.parametrize("crowded", [False, True])
def test_a_job_is_planned_run_found_done_and_shown(job, goap, crowded):
    if crowded:
        crowd(job)
    plan = json.loads(goap("plan", "goal=bread", "--json").stdout)["data"]
    assert [step["action"] for step in plan["steps"]] == ["grind", "bake"]
    assert "the story: goap show " in goap("run", "goal=bread").stderr
    assert (job.folder / "bread").read_text("utf-8") == "bread"
    assert "nothing to do" in goap("run", "goal=bread").stderr
    shown = json.loads(goap("show", "last", "--json").stdout)
    assert shown["ok"]
    assert shown["data"]["status"] == "done"
    assert goap("report", "last").returncode == 0
    assert "goap" in goap("--help").stdout


def test_a_training_of_ones_own_is_begun_trained_found_done_and_read(tmp_path, goap):
    folder = tmp_path / "circle"
    folder.mkdir()
    assert "goal=circle_trained" in goap("init", cwd=folder).stdout
    for where in ("compute=local", "compute=loopback"):
        words = ("goal=circle_trained", where)
        plan = json.loads(goap("plan", *words, "--json", cwd=folder).stdout)["data"]
        assert "train_circle" in [step["action"] for step in plan["steps"]]
        assert "done: circle_trained holds" in goap("run", *words, cwd=folder).stderr
        assert "nothing to do" in goap("run", *words, cwd=folder).stderr
        log = goap("logs", "last", cwd=folder).stdout
        assert log.rstrip().endswith("Training completed at step 300/300")
        assert "is not running" in goap("stop", "last", cwd=folder, code=1).stdout


def test_python_m_agents_is_the_same_program(job, goap):
    done = goap("run", "goal=bread", program=("python", "-m", "agents"))
    assert "the story: python -m agents show " in done.stderr


def test_our_own_training_is_planned_without_torch_and_says_how_to_install_it(job, goap):
    (job.folder / "pyproject.toml").unlink()
    how = "python -m pip install 'goap-modal-agents[train]'"
    assert how in goap("plan", "goal=trained_dit", "preset=smoke").stdout
    failed = goap("run", "goal=trained_dit", "preset=smoke", code=1)
    assert f"fix: {how}" in failed.stderr
    assert "Traceback" not in failed.stderr
    sample = ("-m", "training", "sample", "--key", "0" * 16, "cat.png")
    assert how in goap(*sample, program=("python",), code=1).stderr


def test_doctor_finds_nothing_that_is_needed_missing(goap):
    findings = json.loads(goap("doctor", "--json").stdout)["data"]
    assert [each["check"] for each in findings if each["needed"] and not each["ok"]] == []


def test_the_skills_and_the_pins_lie_where_the_program_finds_them(installed):
    program = (
        "from importlib.resources import files\n"
        "print((files('templates') / 'skills' / 'goap' / 'SKILL.md').is_file(),"
        " (files('training') / 'constraints.txt').is_file())"
    )
    done = subprocess.run(
        [installed / "python", "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True True\n"


def test_it_is_a_small_install(installed):
    (site,) = (installed.parent / "lib").glob("python*/site-packages")
    packages = {path.name.partition("-")[0] for path in site.glob("*.dist-info")}
    packages -= {"pip", "setuptools", "wheel"}
    own = [path for path in site.rglob("*") if path.is_file()]
    foreign = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack")
    size = sum(
        path.stat().st_size
        for path in own
        if not path.relative_to(site).parts[0].startswith(foreign)
    )
    print(f"{len(packages)} packages, {size / 1e6:.0f} MB in Python {sys.version_info[:2]}")
    assert packages.isdisjoint({"torch", "numpy", "pillow", "safetensors"})
    assert len(packages) <= MOST_PACKAGES
    assert size / 1e6 <= MOST_MEGABYTES
