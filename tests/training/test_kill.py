"""kill -9 at any instant: nothing corrupt, little lost, and in the end the very same weights."""

import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from training.store.directory import TrainingDirectory
from training.store.names import MANIFEST_FILE
from training.store.tensorfile import read_tensors

SETTINGS = {
    "steps": 60,
    "save_every": 6,
    "log_every": 6,
    "validate_every": 30,
    "dim": 16,
    "heads": 2,
    "depth": 1,
    "batch": 4,
    "sample_steps": 1,
}


@dataclass
class Killed:
    """What was seen over many kills.

    Attributes:
        kills: How many attempts were killed before they ended.
        at_work: How many of them made steps by then.
        corrupt: Checkpoints that were visible and not whole.
        lost: Most steps that a kill threw away.
    """

    kills: int = 0
    at_work: int = 0
    corrupt: list[str] = field(default_factory=list)
    lost: int = 0


def begin(processes: Any, directory: TrainingDirectory) -> subprocess.Popen[bytes]:
    """Start an attempt in a process of its own; it prints nothing here but its log."""
    command = [sys.executable, "-m", "training", "train"]
    command += ["--volume", str(directory.root), "--key", directory.key]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OMP_NUM_THREADS": "1",
    }
    return processes(command, env=environment, stderr=subprocess.PIPE)


def kill_after(process: subprocess.Popen[bytes], chance: random.Random) -> bool | None:
    """Kill when so much was said, at any point of a start, a step or a save.

    Returns:
        Whether it was at its steps; None if it ended before.
    """
    assert process.stderr is not None
    at_work = False
    if chance.random() < 0.75:  # the others are killed before they make a step
        at_work = any(b" at step " in line for line in process.stderr)
    for _ in range(chance.randrange(1, 12 if at_work else 5)):
        if not process.stderr.readline():
            break
    process.stderr.read(chance.randrange(80))
    ended = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.stderr.close()
    process.wait()
    return None if ended else at_work


def killed_again_and_again(
    processes: Any, directory: TrainingDirectory, kills: int, seed: int
) -> Killed:
    """Kill attempts at random moments, then let one end."""
    seen, randomness = Killed(), random.Random(seed)
    store = directory.store()
    while seen.kills < kills and directory.read_ending() is None:
        process = begin(processes, directory)
        hit = kill_after(process, randomness)
        seen.kills += hit is not None
        seen.at_work += hit is True
        said: dict[str, str] = {}
        store.newest_valid(said.__setitem__)
        # one that has its name is whole, and is sealed by the next attempt where it is not yet
        seen.corrupt += [
            f"{name}: {why}" for name, why in said.items() if f"no {MANIFEST_FILE}" not in why
        ]
        newest = max(directory.checkpoint_steps(), default=0)
        reached = max((int(row["step"]) for row in directory.metrics()), default=0)
        seen.lost = max(seen.lost, reached - newest)
    last = begin(processes, directory)
    _, log = last.communicate(timeout=600)
    assert last.returncode in (0, 1), log.decode()
    return seen


def final_weights(directory: TrainingDirectory) -> dict[str, torch.Tensor]:
    store = directory.store()
    newest = store.newest_valid()
    assert newest is not None
    assert newest.step == SETTINGS["steps"]
    return {
        f"{file.stem}/{name}": value
        for file in sorted(newest.path.glob("*.safetensors"))
        for name, value in read_tensors(file).items()
    }


def proved(bench: Any, processes: Any, kills: int, seed: int) -> Killed:
    """Compare a training that is killed again and again with one that nobody disturbs.

    Every second one writes its checkpoints in the background.
    """
    whole, broken = bench.make("whole", **SETTINGS), bench.make("broken", **SETTINGS)
    bench.run(whole)
    order = broken.read_order()
    assert order is not None
    how = {"background_saves": seed % 2 == 1, "threads": 1}
    broken.write_order(replace(order, settings={**order.settings, **how}))
    seen = killed_again_and_again(processes, broken, kills, seed)
    one, other = final_weights(whole), final_weights(broken)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    return seen


@pytest.mark.parametrize(
    "wanted", [2, pytest.param(200, marks=pytest.mark.slow, id="200")], ids=str
)
def test_kills_corrupt_nothing_lose_at_most_an_interval_and_change_no_weight(
    bench: Any, processes: Any, wanted: int
) -> None:
    kills = at_work = trainings = lost = 0
    while kills < wanted and trainings < wanted:
        root = bench.volume / str(trainings)
        root.mkdir()
        (root / "datasets").symlink_to(bench.volume / "datasets")
        seen = proved(
            type(bench)(root, bench.dataset), processes, kills=wanted - kills, seed=trainings
        )
        assert seen.corrupt == []
        # In the background a checkpoint is under way while the steps after it are done.
        assert seen.lost <= SETTINGS["save_every"] * (1 + trainings % 2)
        kills, trainings = kills + seen.kills, trainings + 1
        at_work, lost = at_work + seen.at_work, max(lost, seen.lost)
    print(
        f"{kills} kills, {at_work} at their steps, in {trainings} trainings: "
        f"0 corrupt, at most {lost} steps lost, all end with the weights of the undisturbed one"
    )
    assert kills >= wanted
    assert at_work >= wanted / 2
