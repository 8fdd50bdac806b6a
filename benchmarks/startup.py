"""How long the command line takes to answer: ``python benchmarks/startup.py [STATE]``.

Best of several runs each, minus what bare Python takes in the same run. With STATE, a state
directory in which the goal holds, a run that has nothing to do is timed as well.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 7
WORK = {
    "--help": (["-m", "agents", "--help"], 0.15),
    "plan goal=trained_dit, nothing there": (["-m", "agents", "plan", "goal=trained_dit"], 0.6),
}


def best(words: list[str], cwd: str) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, *words], cwd=cwd, check=True, capture_output=True, timeout=120
        )
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    """Print the table."""
    work = dict(WORK)
    if len(sys.argv) > 1:
        words = ["-m", "agents", "run", f"state={Path(sys.argv[1]).absolute()}", *sys.argv[2:]]
        work["run, nothing to do"] = (words, 2.0)
    with tempfile.TemporaryDirectory() as empty:
        bare = best(["-c", "pass"], empty)
        print(f"bare Python: {bare:.3f} s\n")
        print("| command | over bare Python | target |")
        print("|---|---|---|")
        for name, (words, target) in work.items():
            cwd = str(ROOT) if name.startswith("run") else empty
            print(f"| {name} | {best(words, cwd) - bare:.3f} s | <= {target} s |")


if __name__ == "__main__":
    main()
