"""The examples, each copied into a folder of its own and run by `goap` as its reader would."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.package.conftest import built, source

__all__ = ["built", "source"]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Example:
    """A copy of one example.

    Attributes:
        folder: Where it lies.
        goal: The goal of its training.
        program: How `goap` is started.
    """

    folder: Path
    goal: str
    program: tuple[str, ...] = (sys.executable, "-P", str(ROOT / "goap_start.py"))

    def goap(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run one command; its exit code has to be `code`."""
        done = subprocess.run(
            [*self.program, *words],
            cwd=self.folder,
            env={"PATH": os.defpath, "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done

    def plan(self, *words: str) -> dict:
        """What `goap plan` answers."""
        done = self.goap("plan", f"goal={self.goal}", "--json", *words)
        return json.loads(done.stdout)["data"]

    def run(self, *words: str, code: int = 0) -> dict:
        """What `goap run` answers."""
        done = self.goap("run", f"goal={self.goal}", "--json", *words, code=code)
        return json.loads(done.stdout)["data"]

    def trainings(self) -> list[Path]:
        """The folders of its trainings, on the volume that is a directory."""
        return sorted((self.folder / ".goap" / "volume" / "trainings").iterdir())


@pytest.fixture
def example(tmp_path):
    def example(name: str, training: str, **options: tuple[str, ...]) -> Example:
        folder = tmp_path / name
        shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "The job"]):
            subprocess.run([*git, *words], cwd=folder, check=True)
        return Example(folder, f"{training}_trained", **options)

    return example
