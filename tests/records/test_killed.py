"""Killed while it renders, renames or commits, the same command completes the records."""

import os
import shutil
import subprocess
import sys

import pytest
from told import verify_records

from agents.records.adr.consistency import check_adrs

RUN = [sys.executable, "-m", "agents", "run", "goal=documented", "commit=true"]
MINE = " M README.md\nA  mine.txt\n"


def _run(root, failpoint=""):
    words = [*RUN, f"repo={root / 'repository'}", f"state={root / 'state'}"]
    environment = {**os.environ, "GOAP_FAILPOINT": failpoint}
    return subprocess.run(words, env=environment, capture_output=True, check=False).returncode


@pytest.mark.slow
def test_killed_at_any_write_rename_or_launch_the_same_command_completes_it(
    story, repository, tmp_path
):
    story.train("r1", documents=False)
    repository.write("mine.txt", "staged")
    repository.git("add", "mine.txt")
    repository.write("README.md", "# Changed\n")
    root, place = tmp_path / "copy", 0
    while True:
        place += 1
        for name in ("state", "repository"):
            shutil.copytree(tmp_path / name, root / name)
        if _run(root, f"*:{place}") == 0:
            break
        assert _run(root) == 0, place
        copy = type(repository)(root / "repository")
        assert verify_records(story.events, copy.root).ok
        assert check_adrs(copy.root) == []
        assert copy.git("status", "--porcelain") == MINE
        assert not [path for path in copy.files() if path.rpartition("/")[2].startswith(".")]
        assert copy.git("show", "--format=%s", "--name-only", "HEAD").count("\n") == 6
        shutil.rmtree(root)
    print(f"killed at {place - 1} places: completed by the next run each time")
    assert place > 10
