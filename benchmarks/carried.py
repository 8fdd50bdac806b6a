"""What it costs a script that the runner carries it: ``python benchmarks/carried.py``.

A script trains a small network with torch, logs every step, saves every 25, and says what such 25
took of the processor at least. It is run by hand, with nothing around it, and by the runner, in
turn. Of each kind the least is compared, and the median of the ratios of the pairs; what runner and
guard use themselves, start and end with all, is shown beside it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from training.key import KeyParts, digest_of_files, training_key
from training.runner.keep import Keep
from training.runner.order import Order
from training.store.layout import LocalLayout

ROOT = Path(__file__).parents[1]
SCRIPT = """
import sys, time
import torch
from torch import nn
from training.contract import run

torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(512, 1024), nn.GELU(), nn.Linear(1024, 512))
optimizer = torch.optim.AdamW(model.parameters())
batch = torch.randn(512, 512)
began, least = time.process_time(), float("inf")
for step in run.steps(run.step, int(sys.argv[1])):
    loss = (model(batch) - batch).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    run.log(step, loss=loss.item())
    if run.save_due(step, every=25):
        with run.checkpoint(step) as directory:
            torch.save(model.state_dict(), directory / "model.pt")
        now = time.process_time()
        began, least = now, min(least, now - began)
run.finish(step_ms=1000 * least / 25, all_s=time.process_time(), loss=loss.item())
"""


@dataclass(frozen=True)
class Run:
    """What one run of the script took.

    Attributes:
        step_ms: Processor time of a step, as the script measured it.
        beside_s: Processor seconds of all that is not the script.
        loss: The last one, to the last bit.
    """

    step_ms: float
    beside_s: float
    loss: float


def taken(words: list[str], where: Path, environment: dict[str, str], result: Path) -> Run:
    """Run a command that leaves a result."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        words, cwd=where, env={**os.environ, **environment}, check=True, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = json.loads(result.read_text(encoding="utf-8"))
    return Run(said["step_ms"], whole - said["all_s"], said["loss"])


def by_hand(where: Path, steps: int) -> Run:
    """The script alone, in a new folder."""
    where.mkdir(parents=True)
    words = [sys.executable, "train.py", str(steps)]
    (where / "train.py").write_text(SCRIPT, encoding="utf-8")
    return taken(words, where, {"PYTHONPATH": str(ROOT)}, where / "run" / "result.json")


def carried(where: Path, steps: int) -> Run:
    """The same script, carried by the runner on a new volume."""
    where.mkdir(parents=True)
    (where / "train.py").write_text(SCRIPT, encoding="utf-8")
    words, settings = (sys.executable, "train.py", "{steps}"), {"steps": steps}
    source = digest_of_files(where, [where / "train.py"])
    parts = KeyParts(words, settings, source, (), (), "3.11", {}, "")
    order = Order(
        training_key(parts), "bench", parts, settings, words, target="steps", keep=Keep(last=2)
    )
    layout = LocalLayout(where / "volume", order.key)
    layout.source_path.mkdir(parents=True)
    (layout.source_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    layout.spec_path.write_text(order.to_json(), encoding="utf-8")
    runner = [sys.executable, "-m", "training.runner", "--volume", str(where / "volume")]
    runner += ["--key", order.key, "--contract", str(ROOT)]
    return taken(runner, ROOT, {}, layout.path / "result.json")


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--steps", type=int, default=300)
    said = options.parse_args()
    steps, pairs = said.steps, []
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(said.rounds):
            folder = Path(temporary, str(number))
            pairs.append((by_hand(folder / "bare", steps), carried(folder / "carried", steps)))
    assert len({run.loss for pair in pairs for run in pair}) == 1, "they computed something else"
    bare, with_it = (min(run.step_ms for run in runs) for runs in zip(*pairs, strict=True))
    ratio = statistics.median(runner.step_ms / alone.step_ms for alone, runner in pairs)
    beside = statistics.median(runner.beside_s for _, runner in pairs)
    print(f"{said.rounds} pairs, load {os.getloadavg()[0]:.1f}, {steps} steps, the same last loss")
    print(f"a step, processor time, the least: by hand {bare:.2f} ms, carried {with_it:.2f} ms")
    print(f"carried over by hand: least {with_it / bare:.3f}, median of the pairs {ratio:.3f}")
    print(f"runner and guard, all of it: {beside:.2f} s, {1000 * beside / steps:.2f} ms a step")


if __name__ == "__main__":
    main()
