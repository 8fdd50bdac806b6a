"""Measures a rehearsal of a tiny job from nothing, and prints rows for RESULTS-modal.md.

    python benchmarks/rehearsal.py [--rounds 3]

In an empty folder with a script without requirements: control plane, image, proof, training and
records, all by one command; then the same command again, which finds nothing to do. Medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from training.compute.loopback.client import ControlPlane, find

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "train.py": """
from training.contract import run
for step in run.steps(run.step, 20):
    run.log(step, loss=1.0 / step)
run.finish(loss=0.05)
""",
    "job.py": """
from actions import toolkit
from training import Training

tiny = Training("tiny", command="python train.py", source=["train.py"])
CATALOGUE = toolkit(tiny)
""",
    "pyproject.toml": '[tool.goap]\ncatalogue = "job:CATALOGUE"\n',
}


def rehearsed(folder: Path) -> float:
    """The seconds of one run of the command."""
    words = [sys.executable, "-m", "agents", "run", "goal=tiny_trained", "compute=loopback"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.monotonic()
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.monotonic() - began


def asked(plane: ControlPlane) -> int:
    """Requests of clients so far."""
    return sum(plane.do("state")["asked"].values())


def measured() -> tuple[float, float, int]:
    """Seconds from nothing; seconds and requests where there is nothing to do."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, text in FILES.items():
            (folder / name).write_text(text, encoding="utf-8")
        subprocess.run(["git", "init", "-q", scratch], check=True)
        cold = rehearsed(folder)
        plane = find(folder / ".goap" / "loopback")
        if plane is None:
            raise SystemExit("the control plane is gone")
        before = asked(plane)
        try:
            return cold, rehearsed(folder), asked(plane) - before
        finally:
            plane.do("stop")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = [measured() for _ in range(parser.parse_args().rounds)]
    cold, again, requests = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(f"| cold rehearsal of a tiny script, from nothing | {cold:.1f} s |")
    print(f"| the same again, nothing to do | {again:.1f} s, {requests:.0f} requests |")


if __name__ == "__main__":
    main()
