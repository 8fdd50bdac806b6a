"""What goes wrong on machines, once each, in processes that find this folder on ``PYTHONPATH``.

``$GREMLINS`` names a folder. Its file ``trainings`` has one word per training that will not end
well; each training process takes the first. Nothing of ours is touched: what answers otherwise
than usual are the operating system (through audit hooks) and torch.
"""

import errno
import os
import shutil
import signal
import sys
from pathlib import Path

FOLDER = Path(os.environ["GREMLINS"])
OLD = "0123456789abcdef"
"""The training whose checkpoints crowd the disk."""

real_usage = shutil.disk_usage
stopped = []


def next_word(name):
    path = FOLDER / name
    words = path.read_text(encoding="utf-8").split() if path.exists() else []
    path.write_text("\n".join(words[1:]), encoding="utf-8")
    return words[0] if words else ""


def usage(path):
    """A disk that is full as long as old checkpoints lie around."""
    if (FOLDER / "crowded").exists() and len(
        list(Path(path).rglob(f"{OLD}/checkpoints/step-*"))
    ) > 1:
        return real_usage(path)._replace(free=1_000_000)
    return real_usage(path)


def at_open(act, part):
    """Do something when a file is opened for writing whose path has this part."""

    def hook(event, args):
        if (
            event == "open"
            and isinstance(args[0], str)
            and part in args[0]
            and args[2] & os.O_WRONLY
        ):
            act(args[0])

    sys.addaudithook(hook)


def fill_the_disk(path):
    (FOLDER / "crowded").touch()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def stop_once(_path):
    """Stand still, until somebody continues or kills this process."""
    if not stopped:
        stopped.append(True)
        os.kill(os.getpid(), signal.SIGSTOP)


def kill_the_runner(_path):
    """Kill whoever carries this script: its guard's parent; the guard ends what is below it."""
    stat = Path(f"/proc/{os.getppid()}/stat").read_text(encoding="utf-8")
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)


def time_out(path):
    if next_word("commits"):
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), path)


def spoil_backward(change):
    """Change what the backward passes start from, as soon as torch is there."""

    def hook(event, _args):
        autograd = getattr(sys.modules.get("torch"), "autograd", None)
        backward = getattr(autograd, "backward", None)
        if event == "open" and backward is not None and backward.__name__ == "backward":
            autograd.backward = lambda loss, *more, **rest: backward(change(loss), *more, **rest)

    sys.addaudithook(hook)


def no_memory(_tensor):
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")


if sys.orig_argv[-2:] == ["-m", "training.script"]:
    fault = next_word("trainings")
    if fault == "disk":
        at_open(fill_the_disk, "/checkpoints/")
    elif fault == "memory":
        spoil_backward(no_memory)
    elif fault == "nan":
        spoil_backward(lambda loss: loss * float("nan"))
    elif fault == "stop":
        at_open(stop_once, "step-00000040")
    elif fault == "kill":
        at_open(kill_the_runner, "step-00000040")
else:
    shutil.disk_usage = usage
    at_open(time_out, "commit.json")
