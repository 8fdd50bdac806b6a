"""Measures how data in a folder reaches a Modal Volume, and prints rows for RESULTS-modal.md.

    python benchmarks/uploads.py [--folder jpeg] [--folder small] [--files N]

A goal with such a folder is run by the command line against a control plane of its own: memory is
the peak of that process, seconds are those of the step that brings the data. Then once more with a
fresh plane: killed (SIGKILL) when half of the bytes have arrived, and repeated.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.compute.loopback.client import ControlPlane, ensure

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"jpeg": (20_000, 11_800), "small": (5_000, 100_000)}
"""Name → how many files, of how many bytes."""

JOB = """
from actions import toolkit
from training import Training

tiny = Training("tiny", command="python train.py", source=["train.py"], data="photos")
CATALOGUE = toolkit(tiny)
"""
SCRIPT = """
from training.contract import run
for step in run.steps(run.step, 2):
    run.log(step, loss=1.0)
run.finish(loss=1.0)
"""
STEP = re.compile(r"✓ prepare_tiny_data +(?:(\d+) min )?([\d.]+) s")
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True)
class Run:
    """What one run of the command took."""

    megabytes: float
    seconds: float
    requests: int
    sent: int


class Bench:
    """A folder with a job and its data, and a control plane."""

    def __init__(self, job: Path, plane: ControlPlane) -> None:
        self._job, self._plane = job, plane

    def run(self) -> Run:
        """Run the goal to its end."""
        asked, received = self._asked, self.received
        with (self._job / "said").open("w+", encoding="utf-8") as said:
            process = self.start(said.fileno())
            most = 0.0
            while process.poll() is None:
                most = _peak(process.pid) or most
                time.sleep(0.05)
            said.seek(0)
            text = said.read()
        step = STEP.search(text)
        if process.returncode or step is None:
            raise SystemExit(text)
        seconds = 60 * int(step[1] or 0) + float(step[2])
        return Run(most, seconds, self._asked - asked, self.received - received)

    def start(self, said: int = subprocess.DEVNULL) -> "subprocess.Popen[bytes]":
        """Start the command."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-m", "agents", "run", "goal=tiny_trained", "compute=loopback"]
        return subprocess.Popen(
            words,
            cwd=self._job,
            env=environment,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
        )

    def kill_at(self, size: int) -> None:
        """Run it until so many bytes have arrived."""
        process = self.start()
        while self.received < size and process.poll() is None:
            time.sleep(0.05)
        process.kill()
        process.wait()

    @property
    def received(self) -> int:
        """Bytes that the control plane was sent."""
        return int(self._plane.do("state")["received"])

    @property
    def _asked(self) -> int:
        return sum(self._plane.do("state")["asked"].values())


def _peak(process: int) -> float:
    """The most memory that a process had so far, in megabytes; 0 once it has ended.

    Not `getrusage`: what that tells of a child is at least what its parent held when it began.
    """
    try:
        found = PEAK.search(Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    except OSError:
        return 0.0
    return int(found[1]) / 1000 if found else 0.0


def write_folder(place: Path, files: int, size: int) -> int:
    """Files of bytes that come once; how many bytes that is."""
    numbers, whole = random.Random(files), 0
    for number in range(files):
        path = place / f"{number % 50}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = numbers.randbytes(numbers.randint(size // 2, size + size // 2))
        path.write_bytes(content)
        whole += len(content)
    return whole


@contextmanager
def bench(photos: Path) -> Iterator[Bench]:
    """A job over this data, with a control plane that has seen nothing yet."""
    with tempfile.TemporaryDirectory() as scratch:
        job = Path(scratch, "job")
        job.mkdir()
        (job / "photos").symlink_to(photos)
        (job / "job.py").write_text(JOB, encoding="utf-8")
        (job / "train.py").write_text(SCRIPT, encoding="utf-8")
        (job / "pyproject.toml").write_text('[tool.goap]\ncatalogue = "job:CATALOGUE"\n')
        plane = ensure(job / ".goap" / "loopback")
        try:
            yield Bench(job, plane)
        finally:
            plane.do("stop")


def measured(name: str, files: int, size: int) -> Iterator[str]:
    """Rows of one folder: undisturbed, and after a kill at half."""
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch)
        whole = write_folder(photos, files, size)
        what = f"{files:,} files, {whole / 1e6:.0f} MB ({name})"
        with bench(photos) as fresh:
            yield _row(what, fresh.run())
        with bench(photos) as killed:
            killed.kill_at(whole // 2)
            before = killed.received
            after = f"{what}, killed when {before / 1e6:.0f} MB had arrived, repeated"
            yield _row(after, killed.run())


def _row(what: str, run: Run) -> str:
    return (
        f"| {what} | {run.megabytes:.0f} MB | {run.seconds:.1f} s | {run.requests:,} "
        f"| {run.sent / 1e6:.1f} MB |"
    )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", choices=FOLDERS, action="append")
    parser.add_argument("--files", type=int, help="instead of the usual number")
    options = parser.parse_args()
    print("| folder | memory | seconds | requests | sent |\n|---|---|---|---|---|", flush=True)
    for name in options.folder or FOLDERS:
        files, size = FOLDERS[name]
        for row in measured(name, options.files or files, size):
            print(row, flush=True)


if __name__ == "__main__":
    main()
