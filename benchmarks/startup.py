"""What starting the command line costs: ``python benchmarks/startup.py [--code FOLDER] [STATE]``.

Processor time, user and system, of ten processes each, minus what bare Python takes in the same
rounds: the median, and the least. The commands take turns, so that other work on the machine
meets all of them. Modules are compiled before, as an installation has them. With ``--code``, the
program of another checkout is started, for a comparison. With STATE, a state directory in which
a goal holds, a run that has nothing to do is timed as well.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 10
BARE = "bare Python"


def cpu_seconds(words: list[str], cwd: Path, environment: dict[str, str]) -> float:
    """Processor time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=cwd, env=environment, check=True, capture_output=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--code", type=Path, default=ROOT)
    options.add_argument("state", type=Path, nargs="?")
    said, more = options.parse_known_args()
    goap = [sys.executable, "-P", str(said.code.absolute() / "goap_start.py")]
    with tempfile.TemporaryDirectory() as temporary:
        empty, job = Path(temporary, "empty"), Path(temporary, "char_lm")
        empty.mkdir()
        shutil.copytree(ROOT / "docs/examples/char_lm", job)
        work = {
            BARE: ([sys.executable, "-c", "pass"], empty, None),
            "--help": ([*goap, "--help"], empty, 0.15),
            "plan of char_lm, a job of one's own": (
                [*goap, "plan", "goal=char_lm_trained"],
                job,
                0.5,
            ),
            "plan of trained_dit": ([*goap, "plan", "goal=trained_dit"], empty, 0.5),
        }
        if said.state:
            words = [*goap, "run", f"state={said.state.absolute()}", *more]
            work["run, nothing to do"] = (words, ROOT, 2.0)
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(temporary, "compiled"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        times: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(ROUNDS + 1):
            for name, (command, cwd, _target) in work.items():
                times[name].append(cpu_seconds(command, cwd, environment))
    measured = {name: seconds[1:] for name, seconds in times.items()}  # the first one compiled
    bare = statistics.median(measured[BARE])
    print(f"{BARE}: {bare:.3f} s\n")
    print("| command | over bare Python | least | target |\n|---|---|---|---|")
    for name, (_, _, target) in work.items():
        if target is not None:
            median, least = statistics.median(measured[name]) - bare, min(measured[name]) - bare
            print(f"| {name} | {median:.2f} s | {least:.2f} s | <= {target} s |")


if __name__ == "__main__":
    main()
