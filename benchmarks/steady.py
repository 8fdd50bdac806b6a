"""Runs the suite again and again, each time in another order, beside busy processes.

Every round leaves its result in the directory, so that whoever is interrupted continues with the
rounds that are missing; to begin anew, remove it. The exit code is 1 if any round failed.
"""

import argparse
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
BUSY = 2
LOOP = """
import os, threading

def watch():
    os.read(0, 1)  # ends when nobody holds the other end of the pipe any more
    os._exit(0)

threading.Thread(target=watch).start()
while True:
    pass
"""
PR_SET_PDEATHSIG = 1
Result = dict[str, object]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep processors busy; the loops end with this process, however it ends."""
    with ExitStack() as stack:
        for _ in range(count):
            pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            loop = subprocess.Popen([sys.executable, "-c", LOOP], **pipes)
            stack.enter_context(loop)
            stack.callback(loop.kill)
        yield


def die_with_the_driver() -> None:
    """Ask the kernel to end the suite when the driver is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def commit() -> str:
    """What is tested."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def failures(report: Path) -> list[str]:
    """The tests of a report that failed, by name."""
    return [
        f"{case.get('classname')}::{case.get('name')}"
        for case in ET.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it just now
        if case.find("failure") is not None or case.find("error") is not None
    ]


def play(number: int, seed: int, options: argparse.Namespace) -> Result:
    """Run the suite once; its output and its report stay beside the result."""
    base = options.directory / f"round-{number:02}"
    report = base.with_suffix(".xml")
    report.unlink(missing_ok=True)
    words = [sys.executable, "-m", "pytest", "-q", "-n", str(options.workers)]
    words += ["--dist", "loadgroup", "--random-order-bucket=module"]
    words += [f"--random-order-seed={seed}", f"--junitxml={report}", *options.tests]
    began = time.monotonic()
    with base.with_suffix(".log").open("wb") as log, busy(options.busy):
        hook = {"preexec_fn": die_with_the_driver}  # safe: there is one thread
        suite = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log, **hook)
        try:
            code = suite.wait()
        finally:
            suite.terminate()  # nothing to one that ended
            suite.wait()
    return {
        "round": number,
        "seed": seed,
        "commit": commit(),
        "code": code,
        "seconds": round(time.monotonic() - began, 1),
        "load": round(os.getloadavg()[2], 1),
        "failures": failures(report) if report.exists() else ["no report: see the log"],
    }


def keep(directory: Path, result: Result) -> None:
    """Write a result whole or not at all: a round is done when it is there."""
    aside = directory / ".result"
    aside.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    aside.replace(directory / f"round-{result['round']:02}.json")


def table(results: list[Result]) -> str:
    """One line per round, and what failed below it."""
    lines = ["round   seed  commit             code  seconds  load"]
    for each in results:
        line = f"{each['round']:>5}  {each['seed']:>5}  {each['commit']!s:<17}"
        lines.append(f"{line}  {each['code']:>4}  {each['seconds']:>7}  {each.get('load', ''):>4}")
        lines += [f"         {name}" for name in each["failures"]]
    return "\n".join(lines)


def parsed() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="order of the first round")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--busy", type=int, default=BUSY, help="busy loops; 0 where the machine is busy already"
    )
    parser.add_argument("--directory", type=Path, default=ROOT / ".steady")
    parser.add_argument("tests", nargs="*", help="files; all when none is given")
    return parser.parse_args()


def main() -> int:
    """Play the rounds that are missing, and say how all of them went."""
    options = parsed()
    options.directory = options.directory.resolve()
    options.directory.mkdir(parents=True, exist_ok=True)
    # as Ctrl-C does: what was started is ended on the way out
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with (options.directory / ".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another run writes to {options.directory}", file=sys.stderr)
            return 7
        results = []
        for number in range(1, options.rounds + 1):
            path = options.directory / f"round-{number:02}.json"
            if not path.exists():
                print(f"round {number} of {options.rounds}", flush=True)
                keep(options.directory, play(number, options.seed + number - 1, options))
            results.append(json.loads(path.read_text(encoding="utf-8")))
    print(table(results))
    return int(any(each["code"] for each in results))


if __name__ == "__main__":
    sys.exit(main())
