"""How many requests a look takes, counted by the control plane; the cloud counts them too."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modal
import pytest
from conftest import ROOT, Measured, until
from programs import Ended, goap, path_with

from actions.following import PACES
from training.compute.loopback.client import ControlPlane, ensure
from training.compute.loopback.objects import BLOCK
from training.compute.modal.parts import read_part
from training.compute.modal.volume import ModalVolume

pytestmark = [pytest.mark.xdist_group("modal")]

SCRIPT = """
import time
from pathlib import Path
from training.contract import run

for step in run.steps(run.step, 100_000):
    run.log(step, loss=1.0 / step)
    if step % 5 == 0:
        print("a line of its own, at", step, flush=True)
        with run.checkpoint(step) as directory:
            (directory / "state.json").write_text(str(step))
    if Path(run.settings["until"]).exists():
        break
    time.sleep(0.02)
run.finish(val_loss=0.1)
"""
"""Writes and commits more often than it is looked at, until a file is there."""

JOB = """
from pydantic import BaseModel
from actions import toolkit
from training import Training

class Settings(BaseModel):
    until: str = "end"

waits = Training("waits", command="python train.py", settings=Settings, source=["train.py"])
CATALOGUE = toolkit(waits)
"""


@dataclass
class Desk:
    """A stranger's folder with a control plane of its own."""

    folder: Path
    plane: ControlPlane
    processes: Any

    @property
    def words(self) -> tuple[str, ...]:
        return ("goal=waits_trained", f"until={self.end}")

    @property
    def end(self) -> Path:
        return self.folder / "end"

    def goap(self, *words: str) -> Ended:
        return goap(self.plane, self.folder, *words)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return self.processes(
            [sys.executable, "-m", "agents", *words],
            cwd=self.folder,
            env={**os.environ, **self.plane.environment(), "PYTHONPATH": path_with(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def asked(self) -> Counter[str]:
        """What clients asked so far, containers left out."""
        return Counter(self.plane.do("state")["asked"])

    def trains(self) -> bool:
        """Whether the training was launched."""
        return any(call["function"] == "carry" for call in self.plane.do("state")["calls"])

    def looks(self, since: Counter[str]) -> int:
        """How often it was asked since then whether the training runs."""
        return (self.asked() - since)["FunctionGetOutputs"]


@pytest.fixture
def desk(tmp_path: Path, processes: Any) -> Iterator[Desk]:
    for name, text in {
        "train.py": SCRIPT,
        "job.py": JOB,
        "pyproject.toml": '[tool.goap]\ncatalogue = "job:CATALOGUE"\n',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    plane = ensure(tmp_path / ".goap" / "loopback")
    try:
        yield Desk(tmp_path, plane, processes)
    finally:
        plane.do("stop")


def per_minute(asked: Counter[str]) -> float:
    """How many requests a minute that is on the cloud, where the same is asked less often."""
    looks = asked["FunctionGetOutputs"]
    return asked.total() / looks * 60 / PACES["modal"].seconds


def test_following_takes_no_more_than_15_requests_a_minute(desk: Desk, measured: Measured) -> None:
    run = desk.start("run", *desk.words, "compute=loopback")
    until(lambda: desk.trains() or run.poll() is not None, 60)
    begun = desk.asked()
    until(lambda: desk.looks(begun) >= 3 or run.poll() is not None, 60)
    begun = desk.asked()
    until(lambda: desk.looks(begun) >= 12 or run.poll() is not None, 60)
    followed = desk.asked() - begun
    logs = desk.start("logs", "last", "-f")
    until(lambda: "a line of its own" in logs.stdout.readline(), 60)
    desk.end.touch()
    assert run.wait(100) == 0, run.communicate()[0]
    assert logs.wait(100) == 0, logs.communicate()[0]
    measured(requests_a_minute=round(per_minute(followed), 1), **followed)
    assert followed["blob get"] > 0  # what it wrote was read
    assert per_minute(followed) <= 15


def counted(desk: Desk, *words: str) -> tuple[Ended, Counter[str]]:
    """A command, and what it asked."""
    before = desk.asked()
    ended = desk.goap(*words, *desk.words, "compute=modal")
    return ended, desk.asked() - before


def test_what_holds_is_seen_with_no_more_than_15_requests(desk: Desk, measured: Measured) -> None:
    desk.plane.do("rates", gpu_hour_cost_a10g=1, cpu_hour_cost=1, mem_gib_hour_cost=1)
    desk.end.touch()
    status, _ = counted(desk, "status")
    assert "waits_trained does not hold yet" in status.out, status.err
    run, _ = counted(desk, "run", "max_cost=100")
    assert run.code == 0, run.err
    status, looked = counted(desk, "status")
    assert (status.code, "waits_trained holds" in status.out) == (0, True), status.out
    assert "unknown" not in status.out
    again, asked = counted(desk, "run")  # there is nothing to pay, so there is no cap to give
    assert (again.code, "nothing to do" in again.err) == (0, True), again.err
    assert "▶ train_waits" not in again.err
    measured(nothing_to_do=asked.total(), status=looked.total(), **asked)
    assert asked.total() <= 15
    assert looked.total() <= 15
    for secret, server, code in (("as-no", "", 8), ("", "http://127.0.0.1:9", 3)):
        given = {"MODAL_TOKEN_SECRET": secret or desk.plane.token_secret}
        given["MODAL_SERVER_URL"] = server or desk.plane.server
        words = ("status", *desk.words, "compute=modal")
        ended = goap(desk.plane, desk.folder, *words, **given)
        assert (ended.code, ended.seconds < 20) == (code, True), ended.err


def test_of_a_long_log_only_what_is_new_is_read(plane: ControlPlane) -> None:
    volume, before = ModalVolume("long"), BLOCK - 5
    volume.write_bytes("a/log", b"x" * before + b"0123456789")
    sent = plane.do("state")["sent"]
    asked = Counter(plane.do("state")["asked"])
    with volume.look():
        assert volume.size("a/log") == before + 10
        assert volume.read_range("a/log", before + 2) == b"23456789"
        assert volume.read_range("a/log", before + 2) == b"23456789"
    assert plane.do("state")["sent"] - sent == 8
    now = Counter(plane.do("state")["asked"]) - asked
    # the end of one block and the beginning of the next
    assert (now["VolumeListFiles"], now["VolumeGetFile2"], now["blob get"]) == (1, 1, 2)
    assert volume.read_range("a/log", -3) == b"789"
    assert volume.read_range("a/log", 3, 2) == b"xx"
    assert volume.read_range("a/log", before + 10) == b""
    with pytest.raises(FileNotFoundError):
        volume.read_range("a/other", 0)


def test_what_is_not_there_or_does_not_come_is_told_apart(plane: ControlPlane) -> None:
    volume = ModalVolume("long")
    volume.write_bytes("a/log", b"0123456789")
    with volume.look():
        assert volume.size("a/log") == 10
        volume.remove("a")
        volume.write_bytes("b/log", b"1")  # what is written is seen in the same look
        assert volume.exists("b/log")
    with pytest.raises(modal.exception.NotFoundError):
        read_part(volume.handle, "a/log", 0, 3)
    volume.write_bytes("c/log", lost := b"bytes that are lost")
    (found,) = plane.root.rglob(hashlib.sha256(lost).hexdigest())
    found.unlink()
    with pytest.raises(modal.exception.ConnectionError, match="c/log: 404"):
        read_part(volume.handle, "c/log", 0, 3)
