"""Several processes that train together, started by torchrun; on this machine two, over gloo."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from training.errors import ConfigError
from training.learn.diffusion import DiffusionTask
from training.learn.parallel import Group, joined
from training.learn.task import Draws

TOLERANCE = 1e-5
"""Largest relative difference of the losses of a step."""


def torchrun(bench: Any, script: Any) -> subprocess.CompletedProcess[str]:
    settings = script.path / "settings.json"
    settings.write_text(json.dumps(script.config.model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "training.script"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
        "GOAP_RUN_DIR": str(script.path),
        "GOAP_RESUME": "",
        "GOAP_DATA_DIR": str(bench.volume / "datasets" / bench.dataset),
        "GOAP_SETTINGS": str(settings),
    }
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


class AsTwo(DiffusionTask):
    """Draws for a whole batch what two processes draw for their halves of it."""

    def draw(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, ...]:
        whole = super().draw
        halves = [
            whole(pictures, breeds, replace(draws, rank=rank))
            for rank, (pictures, breeds) in enumerate(
                zip(images.chunk(2), labels.chunk(2), strict=True)
            )
        ]
        return tuple(torch.cat(parts) for parts in zip(*halves, strict=True))


def test_two_processes_have_the_loss_curve_of_one_with_the_double_batch(bench: Any) -> None:
    """Same photos, noise and times: only the order in which gradients are added differs."""
    settings = {
        "steps": 20,
        "save_every": 10,
        "log_every": 1,
        "sample_steps": 2,
        "judged_samples": 0,
        "augment": False,  # which photos are mirrored is drawn by rank too
    }
    alone, together = bench.scripted("alone", **settings), bench.scripted("together", **settings)
    alone.run(tasks={"dit": AsTwo})
    done = torchrun(bench, together)
    assert done.returncode == 0, done.stderr
    result = json.loads((together.path / "result.json").read_bytes())
    assert (result["step"], result["processes"]) == (20, 2)
    one, two = ({row["step"]: row["loss"] for row in script.rows()} for script in (alone, together))
    assert list(two) == list(range(1, 21))  # only one of the two writes
    assert two == pytest.approx(one, rel=TOLERANCE)
    assert [path.name for path in together.checkpoints()] == ["step-00000010", "step-00000020"]


def test_a_batch_is_shared_evenly_or_refused() -> None:
    assert Group(rank=1, ranks=4).share(32) == 8
    with pytest.raises(ConfigError, match="30 images cannot be shared by 4"):
        Group(rank=0, ranks=4).share(30)


def test_without_torchrun_a_process_trains_alone() -> None:
    with joined({}) as group:
        assert group == Group(0, 1)
        assert group.is_first
        assert group.agree(wanted=True, step=3)
        assert torch.equal(group.mean(torch.ones(2)), torch.ones(2))
