"""Another distribution that installs a package called ``agents`` into the same environment."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("agents", "goals", "actions", "training", "templates")

THEIRS = {
    "agents/__init__.py": "from . import mcp\nfrom .run import Runner\n",
    "agents/run.py": "class Runner: ...\n",
    "agents/mcp/__init__.py": "",
    "agents/mcp/server.py": "",
}


class Site:
    """A directory that distributions are installed into, the way pip does it."""

    def __init__(self, root):
        self.root = root

    def install(self, name, version, paths):
        info = self.root / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
        )
        lines = [f"{path},{self._digest(path)},1" for path in paths]
        (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]), encoding="utf-8")

    def ours(self):
        for name in NAMES:
            shutil.copytree(ROOT / name, self.root / name, dirs_exist_ok=True)
        shutil.copy2(ROOT / "goap_start.py", self.root)
        paths = [path for name in NAMES for path in (self.root / name).rglob("*.py")]
        self.install("goap-modal-agents", "0.1.0", [p.relative_to(self.root) for p in paths])

    def theirs(self):
        for name, text in THEIRS.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")
        self.install("openai-agents", "0.24.0", list(THEIRS))

    def call(self, *words):
        return subprocess.run(
            [sys.executable, "-B", *words],
            cwd=self.root.parent,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def goap(self, *words):
        return self.call("-P", str(self.root / "goap_start.py"), *words)

    def _digest(self, path):
        digest = hashlib.sha256((self.root / path).read_bytes()).digest()
        return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.fixture
def site(tmp_path):
    root = tmp_path / "site"
    root.mkdir()
    return Site(root)


def doctor(site):
    document = json.loads(site.goap("doctor", "--json").stdout)
    return next(each for each in document["data"] if each["check"] == "environment")


def test_alone_in_an_environment_nothing_is_said(site):
    site.ours()
    assert site.goap("--help").returncode == 0
    assert doctor(site)["ok"]


@pytest.mark.parametrize("start", ["goap", "python -m agents"])
def test_who_overwrote_our_package_is_named_with_the_way_out(site, start):
    site.ours()
    site.theirs()
    done = site.goap("plan") if start == "goap" else site.call("-m", "agents", "plan")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {site.root}/agents/__init__.py is not ours any more: "
        "openai-agents 0.24.0 has overwritten it\n"
        "  fix: give it an environment of its own: uv tool install goap-modal-agents\n"
        "       or: pipx install goap-modal-agents\n"
    )


@pytest.mark.parametrize("start", ["goap", "python -m agents"])
def test_a_program_that_reads_json_is_told_in_json(site, start):
    site.ours()
    site.theirs()
    words = ("plan", "goal=documented", "--json")
    done = site.goap(*words) if start == "goap" else site.call("-m", "agents", *words)
    document = json.loads(done.stdout)
    assert document["schema"] == "agents.plan/1"
    assert document["error"]["code"] == "environment"
    assert "openai-agents 0.24.0" in document["error"]["message"]


def test_whose_own_program_is_broken_by_the_mixture_is_told_why(site):
    site.ours()
    site.theirs()
    done = site.call("-c", "from agents import Runner")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "openai-agents 0.24.0 has overwritten it" in last
    assert "pipx install" in last


def test_where_ours_came_last_everything_works_and_doctor_warns_of_the_other(site):
    site.theirs()
    site.ours()
    done = site.goap("goals")
    assert done.returncode == 0, done.stderr
    finding = doctor(site)
    assert not finding["ok"]
    assert not finding["needed"]
    assert "openai-agents 0.24.0 has files in the same packages" in finding["found"]
    assert "uv tool install" in finding["fix"]


def test_files_that_went_with_the_other_package_are_missed_and_can_be_installed_again(site):
    site.ours()
    site.theirs()
    for name in THEIRS:
        (site.root / name).unlink()
    shutil.rmtree(site.root / "openai_agents-0.24.0.dist-info")
    done = site.goap("goals")
    assert done.returncode == 2
    assert f"{site.root}/agents/__init__.py is gone" in done.stderr
    assert "pip install --force-reinstall --no-deps goap-modal-agents" in done.stderr


def test_one_file_of_ours_that_another_wrote_over_is_found_when_it_is_in_the_way(site):
    site.ours()
    (site.root / "agents/cli/main.py").write_text("from agents import nobody\n", encoding="utf-8")
    site.install("other", "1.0", ["agents/cli/main.py"])
    done = site.goap("goals")
    assert done.returncode == 2
    assert "agents/cli/main.py is not ours any more: other 1.0 has overwritten it" in done.stderr


def test_a_package_of_the_same_name_earlier_on_the_path_is_passed_over_by_goap(site, tmp_path):
    site.ours()
    elsewhere = Site(tmp_path / "elsewhere")
    elsewhere.root.mkdir()
    elsewhere.theirs()
    done = subprocess.run(
        [sys.executable, "-P", str(site.root / "goap_start.py"), "goals"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{elsewhere.root}:{site.root}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_package_we_need_that_is_not_there_is_named_with_the_command_that_installs_it(site):
    site.ours()
    missing = "raise ModuleNotFoundError(\"No module named 'pydantic'\", name='pydantic')\n"
    (site.root / "pydantic.py").write_text(missing, encoding="utf-8")
    done = site.goap("goals")
    assert done.returncode == 2
    assert done.stderr == (
        "error: pydantic is not installed: this environment is incomplete\n"
        "  fix: python -m pip install goap-modal-agents (in a clone: make venv)\n"
    )


def test_a_module_that_a_command_needs_and_somebody_removed_or_changed_is_named(site):
    site.ours()
    listing = site.root / "agents/cli/listing.py"
    listing.write_text("from agents.cli.output import nothing\n", encoding="utf-8")
    done = site.goap("goals")
    assert done.returncode == 2
    assert f"{listing} is not ours any more: something has overwritten it" in done.stderr
    listing.unlink()
    done = site.goap("goals")
    assert done.returncode == 2
    assert f"{listing} is gone" in done.stderr
