"""The rehearsal plane starts when something is done, and ends when nobody uses it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from agents.__main__ import ROOT
from agents.cli.main import invoke
from training.compute.loopback.client import ensure, find


def test_a_plan_for_the_rehearsal_plane_starts_nothing_and_leaves_nothing(
    tmp_path: Path, capsys: Any
) -> None:
    words = ["goal=trained_dit", "compute=loopback", "preset=smoke", f"state={tmp_path}"]
    assert invoke(ROOT, ["plan", *words, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)["data"]
    assert plan["steps"][0]["action"] == "validate_auth"
    seen = {fact["name"]: fact["evidence"] for fact in plan["facts"]}
    assert seen["auth_valid"] == "the rehearsal plane does not run: the first step starts it"
    assert invoke(ROOT, ["explain", "train", *words]) == 0
    assert list(tmp_path.iterdir()) == []
    assert find(tmp_path / "loopback") is None


@pytest.mark.slow
def test_a_plane_that_nobody_uses_ends_by_itself(tmp_path: Path) -> None:
    plane = ensure(tmp_path / "loopback", "--idle", "0.5")
    until = time.monotonic() + 60
    while find(plane.root) is not None:
        assert time.monotonic() < until
        time.sleep(0.05)
