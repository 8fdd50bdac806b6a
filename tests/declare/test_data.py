"""Data is known by its content, brought to a volume whole, and made once by a command."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from training import Prepare, Training
from training.declare.data import (
    DataError,
    is_placed,
    manifest_name,
    placed_of,
    verify_data,
)
from training.declare.hashes import Hashes
from training.declare.preparing import prepare
from training.errors import Interrupted
from training.store.durable import sha256_of
from training.store.volume import LocalVolume

ROOT = Path(__file__).parents[2]

PREPARE = """\
import os, pathlib, sys
out = pathlib.Path(sys.argv[1])
assert str(out) == os.environ["GOAP_DATA_OUT"]
inputs = pathlib.Path(os.environ["GOAP_DATA_INPUTS"])
with open(inputs / "runs.txt", "a") as file:
    file.write("x")
(out / "deep").mkdir()
(out / "deep" / "doubled.txt").write_text((inputs / "raw" / "a.txt").read_text() * 2)
print("doubled a.txt")
"""


SHELL = {"shell": True}


class Elsewhere(LocalVolume):
    """A volume that is not on this machine, as far as anybody can see."""

    local_root = None


@pytest.fixture(params=[LocalVolume, Elsewhere])
def volume(request, tmp_path):
    return request.param(tmp_path / "volume")


@pytest.fixture
def root(tmp_path):
    job = tmp_path / "job"
    for name, text in (("texts/a.txt", "a"), ("texts/deep/b.txt", "b"), ("raw/a.txt", "raw ")):
        (job / name).parent.mkdir(parents=True, exist_ok=True)
        (job / name).write_text(text)
    (job / "prepare.py").write_text(PREPARE)
    return job


def declare(root, data):
    return Training("lm", command="echo {data_dir}", data=data, root=root)


def made(root, **changed):
    usual = {"command": "python prepare.py {out}", "source": ["prepare.py"], "inputs": ["raw"]}
    return declare(root, Prepare(**{**usual, **changed}))


def brought(training, volume, log=None, cancelled=None):
    lines = [] if log is None else log
    cancelled = cancelled or threading.Event()
    return prepare(training, volume, Hashes(None), log=lines.append, cancelled=cancelled)


def files(volume, placed):
    place = Path(volume.name) / placed.path
    return {
        path.relative_to(place).as_posix(): path.read_text()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def left_over(volume):
    return list(Path(volume.name).rglob(".*"))


def test_a_folder_is_known_before_it_is_there_and_brought_whole(root, volume):
    it = declare(root, "texts")
    placed = placed_of(it, volume, Hashes(None))
    assert not is_placed(volume, placed)
    assert brought(it, volume) == placed
    assert is_placed(volume, placed)
    assert files(volume, placed) == {"a.txt": "a", "deep/b.txt": "b"}
    assert placed.label == "texts"
    assert left_over(volume) == []


def test_the_manifest_says_what_each_file_is(root, volume):
    placed = brought(declare(root, "texts"), volume)
    manifest = json.loads(volume.read_bytes(manifest_name(placed.digest)))
    assert manifest["digest"] == placed.digest
    assert manifest["bytes"] == 2
    assert manifest["files"]["a.txt"] == {"bytes": 1, "sha256": sha256_of(root / "texts/a.txt")}


def test_what_is_there_is_not_brought_again(root, volume):
    brought(declare(root, "texts"), volume)
    log = []
    brought(declare(root, "texts"), volume, log)
    assert log == []


def test_a_folder_is_its_content_and_not_its_name(root, volume):
    (root / "texts").rename(root / "other")
    before = placed_of(declare(root, "other"), volume, Hashes(None))
    (root / "other").rename(root / "texts")
    os.utime(root / "texts/a.txt", (1, 1))
    (root / "texts/.DS_Store").write_text("left by a person's computer")
    after = placed_of(declare(root, root / "texts"), volume, Hashes(None))
    assert (after.digest, after.path) == (before.digest, before.path)
    assert (after.label, before.label) == ("texts", "other")


@pytest.mark.parametrize("change", ["edit", "add", "remove", "rename"])
def test_whatever_changes_in_a_folder_is_other_data(root, volume, change):
    before = placed_of(declare(root, "texts"), volume, Hashes(None)).digest
    match change:
        case "edit":
            (root / "texts/a.txt").write_text("A")
        case "add":
            (root / "texts/c.txt").write_text("")
        case "remove":
            (root / "texts/a.txt").unlink()
        case "rename":
            (root / "texts/a.txt").rename(root / "texts/c.txt")
    assert placed_of(declare(root, "texts"), volume, Hashes(None)).digest != before


def test_links_are_followed_and_a_loop_is_walked_once(root, volume, tmp_path):
    (tmp_path / "large.bin").write_text("large")
    (root / "texts/large.bin").symlink_to(tmp_path / "large.bin")
    (root / "texts/loop").symlink_to(root / "texts")
    placed = brought(declare(root, "texts"), volume)
    assert files(volume, placed) == {"a.txt": "a", "deep/b.txt": "b", "large.bin": "large"}


def test_a_folder_that_changes_between_plan_and_copy_is_refused(root, volume):
    it = declare(root, "texts")

    def edit(line):
        if line.startswith("copying"):
            (root / "texts/a.txt").write_text("edited")

    with pytest.raises(DataError, match="was changed while it was copied"):
        prepare(it, volume, Hashes(None), log=edit, cancelled=threading.Event())
    assert volume.listdir("datasets") == []


def test_a_script_cannot_write_into_what_others_read(root, volume):
    placed = brought(declare(root, "texts"), volume)
    path = Path(volume.name) / placed.path / "a.txt"
    assert path.stat().st_mode & 0o222 == 0


def test_a_command_makes_data_once_for_its_bytes_and_inputs(root, volume):
    it, log = made(root), []
    assert placed_of(it, volume, Hashes(None)) is None
    placed = brought(it, volume, log)
    assert files(volume, placed) == {"deep/doubled.txt": "raw raw "}
    assert "doubled a.txt" in log
    assert placed_of(it, volume, Hashes(None)) == placed
    assert brought(it, volume) == placed
    assert (root / "runs.txt").read_text() == "x"
    assert left_over(volume) == []


@pytest.mark.parametrize("change", ["script", "input", "command"])
def test_a_change_of_what_it_is_made_of_makes_it_again(root, volume, change):
    before = brought(made(root), volume)
    match change:
        case "script":
            (root / "prepare.py").write_text(PREPARE.replace("* 2", "* 3"))
        case "input":
            (root / "raw/a.txt").write_text("other ")
        case "command":
            pass
    command = "python prepare.py {out} more" if change == "command" else "python prepare.py {out}"
    it = made(root, command=command)
    assert placed_of(it, volume, Hashes(None)) is None
    after = brought(it, volume)
    # what another command made of the same bytes is the same data, and is there once
    assert (after.digest == before.digest) == (change == "command")
    assert (root / "runs.txt").read_text() == "xx"


def test_what_it_is_not_made_of_makes_nothing_again(root, volume):
    placed = brought(made(root), volume)
    (root / "texts/a.txt").write_text("other")
    os.utime(root / "prepare.py", (1, 1))
    assert placed_of(made(root), volume, Hashes(None)) == placed


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("python -c 'import sys; print(\"no room\"); sys.exit(3)'", "exit code 3\n    no room"),
        ("python -c pass", "wrote nothing"),
        ("no-such-program {out}", "cannot be started"),
        ("ln -s /etc/hostname {out}/link", "is a link"),
    ],
)
def test_a_command_that_makes_nothing_says_why_and_leaves_nothing(root, volume, command, said):
    with pytest.raises(DataError) as caught:
        brought(made(root, command=command), volume)
    assert said in caught.value.message
    assert caught.value.fix
    assert volume.listdir("datasets") == []


def test_a_command_may_be_read_by_a_shell(root, volume):
    it = made(root, command="cat raw/*.txt > {out}/all.txt", source=["raw"], **SHELL)
    assert files(volume, brought(it, volume)) == {"all.txt": "raw "}


def test_a_command_that_is_stopped_ends_with_its_children_and_leaves_nothing(root, volume):
    cancelled, started = threading.Event(), root / "started"
    command = f"sleep 600 & echo $! > {started}; echo ready; wait"

    def stop(line):
        if line == "ready":
            cancelled.set()

    with pytest.raises(Interrupted):
        prepare(
            made(root, command=command, **SHELL),
            volume,
            Hashes(None),
            log=stop,
            cancelled=cancelled,
        )
    child = int(started.read_text())
    # a signal was sent: it arrives
    assert any(not _is_alive(child) for _ in range(100_000))
    assert volume.listdir("datasets") == []


def _is_alive(pid):
    """Whether a process runs; a dead one may wait for whoever inherited it to be asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


KILLED = """
import sys, threading
from pathlib import Path
from training import Training
from training.declare import preparing
from training.declare.hashes import Hashes
from training.store.volume import LocalVolume
def log(line):
    print(line, flush=True)
    sys.stdin.read()
it = Training("lm", command="echo {data_dir}", data="texts", root=sys.argv[1])
volume, cancelled = LocalVolume(Path(sys.argv[2])), threading.Event()
preparing.prepare(it, volume, Hashes(None), log=log, cancelled=cancelled)
"""


def test_what_a_kill_left_is_removed_by_the_next(root, tmp_path):
    volume = LocalVolume(tmp_path / "volume")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(root), volume.name],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert left_over(volume) != []
    it = declare(root, "texts")
    assert not is_placed(volume, placed_of(it, volume, Hashes(None)))
    assert files(volume, brought(it, volume)) == {"a.txt": "a", "deep/b.txt": "b"}
    assert left_over(volume) == []


def test_a_place_without_its_manifest_is_filled_again(root, volume):
    it = declare(root, "texts")
    placed = placed_of(it, volume, Hashes(None))
    half = Path(volume.name) / placed.path
    half.mkdir(parents=True)
    (half / "a.txt").write_text("hal")
    assert files(volume, brought(it, volume)) == {"a.txt": "a", "deep/b.txt": "b"}


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"identity": "x", "digest": 3}'])
def test_a_damaged_record_of_what_was_made_is_made_again(root, volume, content):
    it = made(root)
    placed = brought(it, volume)
    (record,) = volume.listdir("datasets/sources")
    volume.write_bytes(f"datasets/sources/{record}", content)
    assert placed_of(it, volume, Hashes(None)) is None
    assert brought(it, volume) == placed


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_text("b"), "a.txt of data .* is damaged: it has sha256"),
        (lambda path: path.unlink(), "a.txt of data .* is damaged: No such file"),
    ],
)
def test_every_byte_of_data_is_verified_against_its_manifest(root, tmp_path, damage, said):
    volume = LocalVolume(tmp_path / "volume")
    placed = brought(declare(root, "texts"), volume)
    assert verify_data(volume.local_root, placed.digest)
    path = volume.local_root / placed.path / "a.txt"
    path.chmod(0o644)
    damage(path)
    with pytest.raises(DataError, match=said) as caught:
        verify_data(volume.local_root, placed.digest)
    subprocess.run(caught.value.fix.partition(",")[0].split(), check=True)
    assert brought(declare(root, "texts"), volume) == placed
    assert verify_data(volume.local_root, placed.digest)


def test_data_is_verified_by_the_command_that_verifies_a_volume(root, tmp_path):
    volume = LocalVolume(tmp_path / "volume")
    brought(declare(root, "texts"), volume)
    command = [sys.executable, "-m", "training", "verify", "--volume", volume.name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(": as written\n")
