"""A finished model is fetched from a Modal Volume: resumed after a kill, verified, in parts.

Verified with the real client against the loopback control plane; the cloud was not reached.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, until
from programs import goap, path_with
from scripts import Scripts

from training.store.fetch import PIECE_BYTES

pytestmark = pytest.mark.xdist_group("modal")

WEIGHTS = f"""
from training.contract import run
with run.checkpoint(1) as directory:
    (directory / "weights.bin").write_bytes(b"w" * {2 * PIECE_BYTES + 7})
run.log(1, loss=1.0)
run.finish(val_loss=0.5)
"""


def asked(scripts: Scripts) -> int:
    count: int = scripts.plane.do("state")["asked"]["VolumeGetFile2"]
    return count


def test_a_fetch_that_was_killed_gets_only_what_is_not_here_yet(
    scripts: Scripts, processes: Any, tmp_path: Path
) -> None:
    script = scripts.make("weights", WEIGHTS)
    assert script.run().status == "completed", script.log
    place = ("compute=modal", "volume=scripts")
    (row,) = [
        each
        for each in json.loads(goap(scripts.plane, tmp_path, "trainings", *place, "--json").out)[
            "data"
        ]["trainings"]
        if each["training"] == script.key
    ]
    assert (row["state"], row["name"]) == ("completed", "tiny")
    assert "| " in goap(scripts.plane, tmp_path, "logs", script.key, "-f", *place).out
    assert goap(scripts.plane, tmp_path, "stop", script.key, *place).code == 1

    words = ("fetch", script.key, *place)
    before = asked(scripts)
    assert goap(scripts.plane, tmp_path, *words, "to=other").code == 0
    # the weights come last, in three pieces: the first comes, and then nothing does
    passed = asked(scripts) - before - 2
    scripts.plane.do("fault", rpc="VolumeGetFile2", kind="hang", after=passed, times=9)
    process = processes(
        [sys.executable, "-m", "agents", *words, "to=model"],
        cwd=tmp_path,
        env={**os.environ, **scripts.plane.environment(), "PYTHONPATH": path_with(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def here() -> int:
        return sum(path.stat().st_size for path in tmp_path.glob(".model.*/checkpoint/*"))

    until(lambda: here() >= PIECE_BYTES or process.poll() is not None, 60)
    process.kill()
    process.wait()
    had = here()
    assert not (tmp_path / "model").exists()
    scripts.plane.do("clear")
    sent = scripts.plane.do("state")["sent"]
    ended = goap(scripts.plane, tmp_path, *words, "to=model", "--json")
    assert ended.code == 0, ended.err
    data = json.loads(ended.out)["data"]
    assert had >= PIECE_BYTES
    assert data["bytes"] - data["got_bytes"] == had
    assert scripts.plane.do("state")["sent"] - sent < data["bytes"] - had + 100_000
    weights = (tmp_path / "model" / "checkpoint" / "weights.bin").read_bytes()
    assert weights == b"w" * (2 * PIECE_BYTES + 7)
    assert not list(tmp_path.glob(".model.*"))
