"""The tutorial is true: its commands are run in their order, its files are what it shows."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your-own-training.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = FENCE.findall(PAGE)
SHELLS = ("bash", "shell-script")
"""The second is run like the first; `docs check` leaves it alone, as it starts others too."""

FILE = re.compile(r"# (\S+)( …)?\n")
FAILS = re.compile(r"^(.*?)\s+# exit code (\d+)$", re.MULTILINE)


@dataclass
class Reader:
    """Does what the page says, in a shell that stands where the page stands."""

    home: Path
    folder: Path

    def types(self, text):
        """Run a block; its output, of both streams."""
        where = self.home / "where"
        body = FAILS.sub(r"{ \1; } || [ $? -eq \2 ]", text)
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{body}\npwd > {shlex.quote(str(where))}"],
            cwd=self.folder,
            env={"PATH": f"{self.home}/bin:/usr/bin:/bin", "HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}"
        self.folder = Path(where.read_text(encoding="utf-8").strip())
        return done.stdout

    def sees(self, name, text, excerpt):
        """A file that the page shows is there, as it is shown; one that is not there is made."""
        path = self.folder / name
        there = path.read_text(encoding="utf-8") if path.is_file() else None
        if excerpt:
            assert text in there
        elif there is None or "knows nothing" in text:
            path.write_text(text, encoding="utf-8")  # what the reader types
        else:
            assert there == text


def flat(text):
    """A text without what differs from machine to machine: figures, digests and paths."""
    text = re.sub(r"\(\d.*?\)|(?<!\w)/\S+", "#", text)
    text = re.sub(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b|\b[0-9a-f]{12,16}\b|\d[\d,.:]*", "#", text)
    text = re.sub(r"~?#(?: (?:s|min|h|d)\b(?: #(?= (?:s|min|h|d)\b))?)+", "#", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def assert_prints(shown, printed):
    """Each shown line is printed, in that order; for … any lines may stand."""
    lines, anywhere = iter(flat(printed)), False
    for expected in flat(shown):
        if expected == "…":
            anywhere = True
            continue
        got = next(lines, None)
        while anywhere and got is not None and got != expected:
            got = next(lines, None)
        assert got == expected, printed
        anywhere = False
    assert anywhere or next(lines, None) is None, printed


@pytest.fixture
def reader(tmp_path):
    program = tmp_path / "bin" / "goap"
    program.parent.mkdir()
    start = shlex.join([sys.executable, "-P", str(ROOT / "goap_start.py")])
    program.write_text(f'#!/bin/sh\nexec {start} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    reader = Reader(tmp_path, tmp_path)
    yield reader
    if (reader.folder / ".goap" / "loopback").is_dir():
        from training.compute.loopback.client import find

        plane = find(reader.folder / ".goap" / "loopback")
        if plane is not None:
            plane.do("stop")


def test_ten_minutes_from_an_empty_folder_to_records(reader):
    printed = ""
    for kind, text in BLOCKS:
        if kind in SHELLS:
            printed = reader.types(text)
        elif kind == "text":
            assert_prints(text, printed)
        else:
            name, excerpt = FILE.match(text).groups()
            reader.sees(name, text.partition("\n")[2], excerpt)
    assert list((reader.folder / "plans").glob("ADR-*-promote-circle-*.md"))
    assert list((reader.folder / "agents-docs" / "runs").iterdir())


def test_the_page_shows_every_kind_of_step():
    kinds = [kind for kind, _ in BLOCKS]
    assert {kind: kinds.count(kind) >= least for kind, least in LEAST.items()} == dict.fromkeys(
        LEAST, True
    )
    assert set(kinds) == set(LEAST)


LEAST = {"bash": 8, "shell-script": 2, "text": 7, "python": 5, "toml": 1}
