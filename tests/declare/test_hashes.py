"""Digests are remembered as long as nothing changed, and never believed when something may have."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training.declare import hashes as module
from training.declare.hashes import Hashes
from training.key import content_digest
from training.store.durable import sha256_of

SECOND = 1_000_000_000


class Reads:
    """Counts how often a file is read."""

    def __init__(self, monkeypatch):
        self.names = []
        monkeypatch.setattr(module, "sha256_of", self._sha256)

    def _sha256(self, path):
        self.names.append(path.name)
        return sha256_of(path)


@pytest.fixture
def reads(monkeypatch):
    return Reads(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "data"
    path.mkdir()
    for name in ("a", "b", "c"):
        (path / name).write_text(name)
    return path


def later(seconds=10.0):
    """A clock some seconds after now: what is written now rests by then."""
    return lambda: time.time_ns() + int(seconds * SECOND)


def digest(folder, memory, clock=None):
    files = sorted(folder.iterdir())
    return Hashes(memory, clock or later()).of_files(folder, files)


def test_a_folder_at_rest_is_read_once(folder, tmp_path, reads):
    memory = tmp_path / "state" / "hashes.db"
    first = digest(folder, memory)
    again = digest(folder, memory)
    assert first == again == (content_digest((n, 1, sha256_of(folder / n)) for n in "abc"), 3)
    assert reads.names == ["a", "b", "c"]


def test_one_changed_file_is_the_only_one_that_is_read_again(folder, tmp_path, reads):
    memory = tmp_path / "hashes.db"
    before, _ = digest(folder, memory)
    reads.names.clear()
    (folder / "b").write_text("B")
    after, _ = digest(folder, memory)
    assert (reads.names, after != before) == (["b"], True)


def test_a_change_of_the_same_size_with_its_time_set_back_is_noticed(folder, tmp_path):
    memory = tmp_path / "hashes.db"
    before, _ = digest(folder, memory)
    status = (folder / "b").stat()
    (folder / "b").write_text("B")
    os.utime(folder / "b", ns=(status.st_atime_ns, status.st_mtime_ns))
    after, _ = digest(folder, memory)
    assert after != before


def test_a_file_put_in_place_of_another_is_noticed(folder, tmp_path):
    memory = tmp_path / "hashes.db"
    before, _ = digest(folder, memory)
    (tmp_path / "new").write_text("B")
    (tmp_path / "new").replace(folder / "b")
    after, _ = digest(folder, memory)
    assert after != before


def test_what_was_written_within_two_seconds_is_not_remembered(folder, tmp_path, reads):
    memory = tmp_path / "hashes.db"
    now = max(path.stat().st_ctime_ns for path in folder.iterdir())
    for age in (0, 1, 1.9):
        digest(folder, memory, lambda age=age: now + int(age * SECOND))
    assert reads.names == ["a", "b", "c"] * 3
    digest(folder, memory, lambda: now + 3 * SECOND)
    digest(folder, memory, lambda: now + 3 * SECOND)
    assert len(reads.names) == 12


def test_what_was_written_in_the_future_is_not_remembered(folder, tmp_path, reads):
    ahead = time.time() + 3600
    os.utime(folder / "a", (ahead, ahead))
    memory = tmp_path / "hashes.db"
    digest(folder, memory)
    reads.names.clear()
    digest(folder, memory)
    assert reads.names == ["a"]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(folder, tmp_path, monkeypatch):
    memory = tmp_path / "hashes.db"

    def changing(path):
        value = sha256_of(path)
        if path.name == "b":
            path.write_text("changed meanwhile")
        return value

    monkeypatch.setattr(module, "sha256_of", changing)
    before, _ = digest(folder, memory)
    monkeypatch.setattr(module, "sha256_of", sha256_of)
    after, _ = digest(folder, memory)
    assert after != before
    expected = ((n, (folder / n).stat().st_size, sha256_of(folder / n)) for n in "abc")
    assert after == content_digest(expected)


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_memory_is_begun_anew(folder, tmp_path, reads, content):
    memory = tmp_path / "hashes.db"
    expected = digest(folder, None)
    memory.write_bytes(content)
    assert digest(folder, memory) == expected
    reads.names.clear()
    assert digest(folder, memory) == expected
    assert digest(folder, memory) == expected
    assert len(reads.names) <= 3


@pytest.mark.parametrize("place", range(0, 20480, 512))
def test_no_damaged_byte_of_the_memory_becomes_a_digest(folder, tmp_path, place):
    memory = tmp_path / "hashes.db"
    expected = digest(folder, memory)
    content = bytearray(memory.read_bytes())
    for at in range(place, min(place + 512, len(content)), 7):
        content[at] ^= 0x11
    memory.write_bytes(content)
    assert digest(folder, memory) == expected
    assert digest(folder, memory) == expected


def test_a_memory_that_cannot_be_written_is_done_without(folder, tmp_path):
    expected = digest(folder, None)
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "folder.db").mkdir()
    for memory in (tmp_path / "file" / "hashes.db", tmp_path / "folder.db"):
        assert digest(folder, memory) == expected


def test_two_folders_of_the_same_files_have_one_digest(folder, tmp_path):
    (tmp_path / "other").mkdir()
    for path in folder.iterdir():
        (tmp_path / "other" / path.name).write_text(path.read_text())
    memory = tmp_path / "hashes.db"
    assert digest(folder, memory) == digest(tmp_path / "other", memory)


PROGRAM = """
import sys, time
from pathlib import Path
from training.declare.hashes import Hashes
folder, memory = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(20):
    clock = lambda: time.time_ns() + 10**10
    print(Hashes(memory, clock).of_files(folder, sorted(folder.iterdir()))[0])
"""


def test_processes_that_remember_at_once_agree(folder, tmp_path):
    memory = tmp_path / "hashes.db"
    expected, _ = digest(folder, None)
    command = [sys.executable, "-c", PROGRAM, str(folder), str(memory)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [process.communicate()[0].split() for process in processes]
    assert said == [[expected] * 20] * 4
