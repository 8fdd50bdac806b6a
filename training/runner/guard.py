"""Starts a script and sees to it that nothing of it is left, whoever is killed.

It stands between runner and script: the runner holds the other end of its standard input, and when
that end is closed, by a kill too, everything below is killed. It is the one that processes fall to
whose parents died (PR_SET_CHILD_SUBREAPER), so children that were forked away are found as well.

Started as a file by itself: it imports nothing of ours.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LOOK_SECONDS = 0.5


def prctl(option: int, value: int) -> None:
    """Ask Linux for something about this process; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def descendants(of: int) -> list[int]:
    """Every process below one, by what Linux says of parents; elsewhere none."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if fields[0] != "Z":
                parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    below, found = [of], []
    while below:
        children = parents.get(below.pop(), [])
        below += children
        found += children
    return found


def kill_all(of: int, group: int) -> None:
    """Kill everything below a process, and again what was started meanwhile."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    while left := descendants(of):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def marked(mark: str) -> set[int]:
    """Every other process with `mark` in its environment; none elsewhere than on Linux."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.add(int(path.parent.name))
    return found - {os.getpid()}


def kill_marked(mark: str) -> int:
    """Kill what is left of a guard's charges, and what that started; how many there were."""
    killed: set[int] = set()
    while left := marked(mark) - killed:
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        killed |= left
    return len(killed)


def main(tell: int, words: list[str]) -> int:
    """Run a command in a session of its own until it ends, or the runner does.

    Args:
        tell: The descriptor that takes the script's number and then its exit code, a line each.
        words: The command.
    """
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # stopping is the runner's to decide: it tells the script itself
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def alone() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)

    try:
        script = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=alone,  # noqa: PLW1509 - there is one thread
        )
    except OSError as error:
        print(f"{words[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return 127 if isinstance(error, FileNotFoundError) else 126
    say(tell, script.pid)
    runner = sys.stdin.fileno()
    ended = os.pidfd_open(script.pid) if hasattr(os, "pidfd_open") else None
    watched = [runner] if ended is None else [runner, ended]
    while script.poll() is None:
        ready, _, _ = select.select(watched, [], [], LOOK_SECONDS if ended is None else None)
        if runner in ready:
            break  # the runner is gone, or wants an end of it
    kill_all(os.getpid(), script.pid)
    code = script.wait()
    say(tell, code)
    return 0


def say(tell: int, number: int) -> None:
    """Tell the runner a number; when nobody is left to tell, its standard input is closed too."""
    with suppress(BrokenPipeError):
        os.write(tell, f"{number}\n".encode())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
