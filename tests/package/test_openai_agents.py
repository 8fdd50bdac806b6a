"""The real package that also calls itself `agents`, installed beside ours, in both orders."""

import json
import os
import subprocess
import venv

import pytest

THEIRS = "openai-agents==0.24.0"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("installed")]


@pytest.fixture(scope="module", params=["theirs came last", "ours came last"])
def mixture(request, built, source, tmp_path_factory):
    """An environment that holds both, and which was installed last."""
    folder = tmp_path_factory.mktemp("mixture")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    ours, theirs = [*pip, "-c", source / "constraints.txt", built[0]], [*pip, THEIRS]
    order = (ours, theirs) if request.param == "theirs came last" else (theirs, ours)
    for words in order:
        subprocess.run(words, check=True)
    return folder / "bin", request.param


def test_the_intruder_is_named_or_a_job_works(mixture, job):
    programs, last = mixture
    job.write("agents/__init__.py", "raise RuntimeError('the folder of the job was imported')\n")
    done = subprocess.run(
        [programs / "goap", "run", "goal=bread", "--json"],
        cwd=job.folder,
        env={"PATH": os.defpath, "HOME": str(job.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    if last == "theirs came last":
        assert done.returncode == 2
        assert "openai-agents 0.24.0 has overwritten it" in answer["error"]["message"]
        assert "uv tool install goap-modal-agents" in answer["error"]["fix"]
    else:
        assert (done.returncode, answer["data"]["status"]) == (0, "done"), done.stderr
