"""Launch, attach, stop and kill on this machine, with real processes."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from training.compute.local import LocalCompute
from training.compute.port import Launch, TrainingStatus
from training.compute.recipe import Hardware
from training.data.prepare import prepare
from training.data.shard import read_manifest
from training.data.synthetic import portraits
from training.errors import CheckpointError, DiskFull, ImageError
from training.learn.config import Execution, resolve
from training.own import order_of, own_source
from training.runner.ending import Ending
from training.runner.order import Order
from training.store.commit import commit_ending, verify_commit
from training.store.directory import TrainingDirectory
from training.store.volume import LocalVolume

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef"
GREMLINS = Path(__file__).parents[1] / "e2e" / "gremlins"
PATIENCE = 300.0
"""Decides nothing but how long a broken test takes."""
LAUNCH = """
import sys
from pathlib import Path
from training.compute.local import LocalCompute
from training.compute.recipe import Hardware
from training.own import own_source
from training.runner.order import Order
order = Order.from_json(sys.argv[2])
launch = LocalCompute(Path(sys.argv[1])).start(order, own_source(), Hardware(), None)
print(launch.owner, launch.attached, flush=True)
sys.stdin.read()
"""


def order(cats: tuple[Path, str], steps: int) -> Order:
    config = resolve("dit", "smoke", steps=steps, save_every=20, batch=4, log_every=5)
    manifest = read_manifest(*cats)
    assert manifest is not None
    ordered = order_of(config, manifest, Execution(threads=1))
    return replace(ordered, key=KEY, earlier=True)


def launched(volume: Path, cats: tuple[Path, str], steps: int) -> Launch:
    return LocalCompute(volume).start(order(cats, steps), own_source(), Hardware(), None)


@pytest.fixture(scope="module")
def cats(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A volume with a dataset of sixteen drawn cats, and its digest."""
    root = tmp_path_factory.mktemp("cats")
    folder = root / "photos"
    folder.mkdir()
    for number, (pixels, breed) in enumerate(islice(portraits(16), 16)):
        Image.fromarray(pixels).save(folder / f"{breed}_{number}.png")
    return root, prepare(folder, root, 16).digest


@pytest.fixture
def volume(cats: tuple[Path, str], tmp_path: Path) -> Iterator[Path]:
    """A volume of its own; whatever still trains on it at the end is killed."""
    (tmp_path / "datasets").symlink_to(cats[0] / "datasets")
    yield tmp_path
    for owner in tmp_path.glob("trainings/*/owner.json"):
        if LocalCompute(tmp_path).status(owner.parent.name).state == "running":
            os.kill(json.loads(owner.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)
            ended(tmp_path, owner.parent.name)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"still waiting: {what}"
        pause.wait(0.02)


def ended(volume: Path, key: str = KEY) -> TrainingStatus:
    """The status once no process holds the training."""
    lock = TrainingDirectory.local(volume, key).lock_path
    wait = ["flock", "--shared", "--timeout", str(PATIENCE), str(lock), "true"]
    subprocess.run(wait, check=True)
    return LocalCompute(volume).status(key)


def under_way(volume: Path, step: int, key: str = KEY) -> None:
    """Return once the training has logged this step."""
    compute = LocalCompute(volume)

    def there() -> bool:
        status = compute.status(key)
        log = TrainingDirectory.local(volume, key).log_path.read_text(encoding="utf-8")
        assert status.state == "running", log
        return (status.step or 0) >= step

    until(there, f"step {step}")


def test_03_run_gone_with_the_terminal_the_training_outlives_its_launcher(
    volume: Path, cats: tuple[Path, str], processes: Any
) -> None:
    """Incident 3: SIGHUP or SIGKILL to the launcher ends the launcher; anyone re-attaches."""
    command = [sys.executable, "-c", LAUNCH, str(volume), order(cats, 100_000).to_json()]
    pipe = subprocess.PIPE
    launcher = processes(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    owner, attached = launcher.stdout.readline().rsplit(" ", 1)
    launcher.kill()
    launcher.wait()
    assert attached.strip() == "False"
    pid = int(owner.removeprefix("pid "))
    assert os.getsid(pid) == pid
    compute = LocalCompute(volume)
    again = launched(volume, cats, 100_000)
    assert (again.attached, again.owner) == (True, owner)
    under_way(volume, 5)
    assert compute.status(KEY).target == 100_000
    assert compute.stop(KEY)
    status = ended(volume)
    assert status.state == "interrupted"
    assert not compute.stop(KEY)
    result = TrainingDirectory.local(volume, KEY).read_ending()
    assert result is not None
    assert result.step == status.step
    assert result.checkpoint is not None


def test_after_kill_9_the_lock_is_free_and_the_next_launch_resumes(
    volume: Path, cats: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = TrainingDirectory.local(volume, KEY)
    # It stands still where it would save step 40: it cannot end before anybody kills it.
    (volume / "fate").mkdir()
    (volume / "fate" / "trainings").write_text("stop", encoding="utf-8")
    monkeypatch.setenv("GREMLINS", str(volume / "fate"))
    monkeypatch.setenv("PYTHONPATH", str(GREMLINS))
    first = launched(volume, cats, 120)
    pid = int(first.owner.removeprefix("pid "))
    until(lambda: stands(volume), "it stands")
    os.kill(pid, signal.SIGKILL)
    assert ended(volume).state == "interrupted"
    second = launched(volume, cats, 120)
    assert not second.attached
    assert second.owner != first.owner
    status = ended(volume)
    result = directory.read_ending()
    assert result is not None
    log = directory.log_path.read_text(encoding="utf-8")
    assert (status.state, result.step, result.attempts) == ("completed", 120, 2), log
    starts = re.findall(r"step (\d+) of 120", log)
    assert len(starts) == 2, log
    assert int(starts[0]) == 0
    assert int(starts[1]) >= 20
    verify_the_commit(volume)


def stands(volume: Path) -> bool:
    """Whether a script of a training on this volume stands still."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            mine = f"GOAP_RUN_DIR={volume}".encode() in (process / "environ").read_bytes()
            if mine and (process / "stat").read_text("utf-8").rpartition(")")[2].split()[0] == "T":
                return True
    return False


def verify_the_commit(root: Path) -> None:
    """What a completed training left is committed, and a changed byte is found."""
    volume = LocalVolume(root)
    commit = commit_ending(TrainingDirectory(volume, KEY))
    assert verify_commit(TrainingDirectory(volume, KEY)) == commit
    weights = next(name for name in commit.files if name.endswith("model.safetensors"))
    content = bytearray(volume.read_bytes(weights))
    content[-1] ^= 1
    volume.write_bytes(weights, bytes(content))
    with pytest.raises(CheckpointError, match="sha256"):
        verify_commit(TrainingDirectory(volume, KEY))
    volume.remove(weights)
    with pytest.raises(CheckpointError, match="is gone"):
        verify_commit(TrainingDirectory(volume, KEY))


def test_many_launchers_at_the_same_moment_start_one_training(
    volume: Path, cats: tuple[Path, str]
) -> None:
    """Incident 25: two launchers, one training."""
    launches = []
    gate = threading.Barrier(8)

    def launch() -> None:
        gate.wait()
        launches.append(launched(volume, cats, 100_000))

    threads = [threading.Thread(target=launch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.attached for one in launches) == [False] + [True] * 7
    owner = next(one.owner for one in launches if not one.attached)
    os.kill(int(owner.removeprefix("pid ")), signal.SIGKILL)
    assert ended(volume).state in ("absent", "interrupted")


def test_a_training_that_was_never_launched_is_absent(tmp_path: Path) -> None:
    status = LocalCompute(tmp_path).status(KEY)
    assert (status.state, status.owner, status.step, status.target) == ("absent", "", None, None)
    assert not LocalCompute(tmp_path).stop(KEY)


def test_a_training_that_ended_while_its_launcher_made_a_plan_is_not_launched_again(
    tmp_path: Path, cats: tuple[Path, str]
) -> None:
    ending = Ending(KEY, "dit", "completed", 5, 5, 1, 1.0, "2026-03-01", "2026-03-01")
    TrainingDirectory.local(tmp_path, KEY).write_ending(ending)
    assert launched(tmp_path, cats, 5).attached
    assert not LocalCompute(tmp_path).status(KEY).at_work


def test_an_interpreter_that_is_not_there_leaves_no_lock(
    volume: Path, cats: tuple[Path, str]
) -> None:
    asked = order(cats, 5)
    nowhere = replace(asked, parts=replace(asked.parts, requirements=("nothing-like-it==1",)))
    with pytest.raises(ImageError, match="nothing-like-it"):
        LocalCompute(volume).start(nowhere, own_source(), Hardware(), None)
    assert LocalCompute(volume).status(KEY).state == "absent"


def test_a_full_volume_is_said_by_the_launch(tmp_path: Path, cats: tuple[Path, str]) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        with suppress(OSError):
            (place / "filler").write_bytes(bytes(16_000))
        with pytest.raises(DiskFull):
            launched(place, cats, 5)
        assert LocalCompute(place).status(KEY).state == "absent"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_local_compute_needs_no_account(tmp_path: Path) -> None:
    auth = LocalCompute(tmp_path).check_auth()
    assert (auth.valid, auth.needed) == (True, False)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x"])
def test_no_path_leaves_the_volume(tmp_path: Path, path: str) -> None:
    volume = LocalVolume(tmp_path / "volume")
    for act in (volume.read_bytes, volume.listdir, volume.remove, volume.exists, volume.sha256):
        with pytest.raises(ValueError, match="leaves the volume"):
            act(path)
    with pytest.raises(ValueError, match="leaves the volume"):
        volume.write_bytes(path, b"")
