"""Several processes that train together, started by torchrun; on this machine two, over gloo."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from training.checkpoints import CheckpointStore
from training.errors import ConfigError
from training.parallel import Group, joined
from training.result import TrainingDirectory


def torchrun(directory: TrainingDirectory) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "training", "train", "--volume", str(directory.volume_root)]
    command += ["--key", directory.key]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_two_processes_train_one_model_and_one_of_them_writes(bench: Any) -> None:
    settings = {"steps": 20, "save_every": 10, "log_every": 10, "sample_steps": 2, "batch": 32}
    alone, together = bench.make("alone", **settings), bench.make("together", **settings)
    single = bench.run(alone)
    done = torchrun(together)
    result = together.read_result()
    assert done.returncode == 0, done.stderr
    assert result is not None
    assert (result.status, result.step, result.attempts) == ("completed", 20, 1)
    # Other random numbers on the second process, the same amount of learning.
    assert result.metrics["validation_loss"] == pytest.approx(
        single.metrics["validation_loss"], rel=0.15
    )
    assert [row["step"] for row in together.metrics() if "loss" in row] == [10, 20]
    store = CheckpointStore(together.checkpoints_path("dit"))
    assert [entry.step for entry in store.entries()] == [10, 20]
    assert store.newest_valid() == store.entries()[-1]


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
