"""Disks, directories, ledgers and environments that are not as one would like them."""

import itertools
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager

import pytest

from training.store.directory import trainings
from training.store.volume import LocalVolume

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


@contextmanager
def disk(path, size):
    """A file system of ``size`` megabytes at ``path``."""
    path.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(path)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def one_error(ended, code):
    assert ended.code == code, ended.err
    assert ended.err.count("error:") == 1, ended.err
    assert "  fix: " in ended.err
    return ended.err.rsplit("error:", 1)[1]


def fill(path, leave_mb):
    """Fill a disk until only so much is left; returns the file that does.

    It is full when it takes no more, whoever else writes meanwhile: no free space is measured.
    """
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file:
        with pytest.raises(OSError, match="No space left"):
            file.writelines(itertools.repeat(bytes(1 << 16)))
        file.truncate(file.tell() - int(leave_mb * 1e6))
    return ballast


@AS_ROOT
def test_a_disk_with_too_little_room_is_said_before_training_is_launched(desk):
    small = desk.root / "small"
    with disk(small, 64):
        shutil.copytree(desk.volume, small / "volume")
        words = [f"state={small}" if "state=" in word else word for word in desk.trained]
        fill(small, leave_mb=6)
        said = one_error(desk.run("run", *words), 1)
        assert "MB free and this training needs" in said
        assert "volume=DIR" in said
        assert not list(small.glob("volume/trainings/*"))


def names_a_full_disk(said: str) -> bool:
    """Whether that is what is said: by who met it, or by who looked before."""
    return any(word in said for word in ("space", "room", "MB free and this training needs"))


@AS_ROOT
@pytest.mark.slow
def test_a_disk_that_fills_up_leaves_the_last_checkpoint_whole_and_freed_space_is_enough(
    desk, finished
):
    small = desk.root / "small"
    with disk(small, 64):
        shutil.copytree(desk.volume, small / "volume")
        words = [f"state={small}" if "state=" in word else word for word in desk.trained]
        desk.state.rename(desk.root / "unused")
        desk.state.symlink_to(small)
        engine = desk.start("run", *words, **desk.fates("stop"))
        desk.standing()
        os.kill(engine.pid, signal.SIGSTOP)  # it frees nothing while the disk is filled
        ballast = fill(small, leave_mb=0)
        os.kill(engine.pid, signal.SIGCONT)
        os.kill(desk.script(), signal.SIGCONT)
        ended = desk.end(engine)
        said = one_error(ended, 1)
        assert names_a_full_disk(said)
        (training,) = trainings(LocalVolume(desk.volume))
        whole = training.store().newest_valid()
        assert whole is not None
        assert whole.step >= 20
        again = one_error(desk.run("run", *words), 1)
        assert names_a_full_disk(again)
        ballast.unlink()
        assert desk.run("run", *words).code == 0
        assert desk.weights() == finished[0].weights()


@AS_ROOT
def test_a_read_only_state_directory_is_a_usage_error_for_run_and_no_obstacle_for_plan(desk):
    small = desk.root / "small"
    with disk(small, 8):
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        words = [f"state={small}" if "state=" in word else word for word in desk.trained]
        said = one_error(desk.run("run", *words), 2)
        assert "Read-only file system" in said
        assert "state=DIR" in said
        assert desk.run("plan", *words).code == 0


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_a_state_path_that_is_a_file_is_a_usage_error(desk, below):
    (desk.root / "file").write_text("a file", encoding="utf-8")
    words = ("goal=trained_dit", f"state={desk.root}/file{below}", f"dataset={desk.photos}")
    assert "cannot be used" in one_error(desk.run("run", *words), 2)


@pytest.mark.parametrize(
    "damage",
    [
        "emptied",
        "scribbled",
        *(pytest.param(d, marks=pytest.mark.slow) for d in ("replaced", "cut")),
    ],
)
def test_a_damaged_ledger_is_named_and_doctor_says_how_to_mend_it(desk, finished, damage):
    ledger = desk.state / "ledger.db"
    content = (finished[0].state / "ledger.db").read_bytes()
    ledger.write_bytes(
        {
            "replaced": b"not a ledger" * 999,
            "cut": content[: len(content) // 2],
            "emptied": b"",
            "scribbled": content[:8192] + b"\xa5" * 8192 + content[16384:],
        }[damage]
    )
    said = one_error(desk.run("run", *desk.trained), 9)
    assert str(ledger) in said
    assert "python -m agents doctor" in said
    doctor = desk.run("doctor", f"state={desk.state}")
    assert doctor.code == 9
    mend = doctor.out.split("mv ", 1)[1].split(";")[0].split()
    shutil.move(*mend)
    assert desk.run("plan", *desk.trained).code == 0


def test_a_run_needs_no_home_no_terminal_no_open_stream_no_language_and_no_plain_names(
    desk, photos, finished
):
    odd = desk.root / "meine süßen Katzen"
    shutil.copytree(photos, odd)
    words = ["goal=trained_dit", "state=state", "repo=der Ordner", f"dataset={odd.name}"]
    words += desk.settings
    nowhere = {"HOME": None, "LC_ALL": "C", "LANG": "C"}
    closed = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    assert desk.end(desk.start("run", *words, before=closed, **nowhere)).code == 0
    assert list((desk.root / "der Ordner" / "plans").glob("ADR-001-*.md"))
    # the photos are the same, so the training is, wherever they lie
    assert desk.weights() == finished[0].weights()
    again = desk.run("run", *words, **nowhere, PYTHONIOENCODING="ascii")
    assert again.code == 0
    assert "nothing to do" in again.err
