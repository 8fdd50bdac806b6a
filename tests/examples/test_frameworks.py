"""Frameworks that keep their own loop, from the built wheel in an environment of its own."""

import subprocess
import venv

import pytest

WITH = ("accelerate==1.15.0", "lightning==2.6.6", "torch==2.13.0", "transformers==5.24.0")
FRAMEWORKS = [("huggingface", "gpt2"), ("lightning", "line"), ("torchrun", "pair")]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("frameworks")]


@pytest.fixture(scope="module")
def programs(built, source, tmp_path_factory):
    """The programs of an environment that holds our wheel and the frameworks, and no clone."""
    folder = tmp_path_factory.mktemp("frameworks")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, "-c", source / "constraints.txt", built[0], *WITH], check=True)
    return folder / "bin"


@pytest.mark.parametrize("compute", ["local", "loopback"])
@pytest.mark.parametrize(("name", "training"), FRAMEWORKS)
def test_a_framework_is_planned_run_and_done(example, programs, name, training, compute):
    job = example(name, training, program=(str(programs / "goap"),))
    words = (f"compute={compute}",)
    steps = [step["action"] for step in job.plan(*words)["steps"]]
    assert f"train_{training}" in steps
    assert job.run(*words)["status"] == "done"
    assert job.run(*words)["status"] == "nothing to do"


@pytest.mark.parametrize(("name", "training"), FRAMEWORKS[:2])
def test_a_framework_that_is_stopped_goes_on_from_its_own_checkpoint(
    example, programs, name, training
):
    job = example(name, training, program=(str(programs / "goap"),))
    # each process trains for a moment, saves and ends; the next one goes on
    assert job.run("slice_seconds=20", "steps=200")["status"] == "done"
    (folder,) = job.trainings()
    log = (folder / "training.log").read_text(encoding="utf-8")
    assert "Training completed at step 200/200" in log
