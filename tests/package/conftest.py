"""A job in a folder of its own, and the wheel as it would be published."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START = ROOT / "goap_start.py"
NAMES = ("agents", "goals", "actions", "training", "templates")

PAGE = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
JOB = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
"""The job that the page shows: what is read there is what is run here."""


@dataclass(frozen=True)
class Job:
    """A folder with a job in it, and the environment its commands run in."""

    folder: Path
    python: tuple[str, ...] = (sys.executable,)
    path: str = str(ROOT)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def choose(self, catalogue: str = "job:CATALOGUE") -> None:
        self.write(
            "pyproject.toml", f'[project]\nname = "x"\n\n[tool.goap]\ncatalogue = "{catalogue}"\n'
        )

    def call(self, *words: str, cwd: Path | None = None, **environment: str):
        return subprocess.run(
            [*self.python, *words],
            cwd=cwd or self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def goap(self, *words: str, **options):
        """As the installed `goap` is started: nothing of the folder is on ``sys.path``."""
        return self.call("-P", str(START), *words, **options)

    def module(self, *words: str, **options):
        """``python -m agents``: the folder is first on ``sys.path``."""
        return self.call("-m", "agents", *words, **{"PYTHONPATH": self.path, **options})


@pytest.fixture
def job(tmp_path):
    folder = tmp_path / "bakery"
    folder.mkdir()
    job = Job(folder)
    job.write("job.py", JOB)
    job.choose()
    return job


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """What would be published: the files that git knows, without what building left behind."""
    target = tmp_path_factory.mktemp("source")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in names:
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    return target


@pytest.fixture(scope="session")
def built(source, tmp_path_factory):
    """The wheel and the sdist, built without a network."""
    folder = tmp_path_factory.mktemp("built")
    program = (  # building replaces the words of the process
        "import sys\nfrom setuptools import build_meta\nfolder = sys.argv[1]\n"
        "build_meta.build_wheel(folder)\nbuild_meta.build_sdist(folder)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(folder)], cwd=source, capture_output=True, check=True
    )
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist
