"""What is large is sent in pieces: as much memory whatever the size, and nothing is sent twice.

Verified with the real client against the loopback control plane; the cloud was not reached.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Measured, until
from programs import MOST_MEMORY

from training.compute.loopback.client import ControlPlane
from training.compute.modal.volume import ModalVolume
from training.store.durable import sha256_of

pytestmark = [pytest.mark.xdist_group("modal"), pytest.mark.slow, pytest.mark.both_clients]

UPLOAD = (
    """
import pathlib, sys
from training.compute.modal.volume import ModalVolume
ModalVolume(sys.argv[1]).upload(pathlib.Path(sys.argv[2]), "data")
"""
    + MOST_MEMORY
)
MB = 10**6


class Upload:
    """A folder that is sent by processes of their own."""

    def __init__(self, plane: ControlPlane, place: Path, name: str, measured: Measured) -> None:
        self.plane, self.place, self.volume = plane, place, ModalVolume(name)
        self._measured = measured

    def written(self, name: str, size: int) -> Path:
        """A file of bytes that come once."""
        path = self.place / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        whole, numbers = size, random.Random(name)
        with path.open("wb") as file:
            while whole:
                part = min(whole, 1 << 20)
                file.write(numbers.randbytes(part))
                whole -= part
        return path

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", UPLOAD, self.volume.name, str(self.place)],
            cwd=ROOT,
            env={**os.environ, **self.plane.environment()},
            stdout=subprocess.PIPE,
            text=True,
        )

    def finished(self) -> int:
        """The megabytes that the one which sends it to its end took at most."""
        began = time.monotonic()
        process = self.start()
        said, _ = process.communicate()
        assert process.returncode == 0
        self._measured(memory_mb=int(said), seconds=round(time.monotonic() - began, 1))
        return int(said)

    @property
    def received(self) -> int:
        return int(self.plane.do("state")["received"])


@pytest.fixture
def upload(
    plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest, measured: Measured
) -> Any:
    return Upload(plane, tmp_path, f"upload-{request.node.name[5:40]}", measured)


def test_a_large_file_takes_no_more_memory_and_goes_on_where_a_kill_ended_it(
    upload: Upload,
) -> None:
    size = 300 * MB
    path, before = upload.written("large.bin", size), upload.received
    first = upload.start()
    until(lambda: upload.received - before > size // 2)
    first.kill()
    first.communicate()
    assert upload.finished() <= 200
    assert upload.received - before < size + 2 * (32 << 20) + 10 * MB
    assert upload.volume.sha256("data/large.bin") == sha256_of(path)
    assert upload.volume.listdir("datasets/sources") == []
    before = upload.received
    assert upload.finished() <= 200
    assert upload.received - before < 10 * MB


def test_a_folder_of_small_files_takes_no_more_memory_and_goes_on_where_a_kill_ended_it(
    upload: Upload,
) -> None:
    files, size = 5_000, 100_000
    for number in range(files):
        upload.written(f"{number % 50}/{number}.jpg", size)
    for number in range(3):  # and some that are as large as what is sent in one piece
        upload.written(f"large/{number}.bin", 48 << 20)
    whole, before = files * size + 3 * (48 << 20), upload.received
    first = upload.start()
    until(lambda: upload.received - before > whole // 2)
    first.kill()
    first.communicate()
    assert upload.finished() <= 200
    assert upload.received - before < whole + (64 << 20) + 3 * (48 << 20)
    sent = sum(len(upload.volume.listdir(f"data/{each}")) for each in range(50))
    assert sent == files
