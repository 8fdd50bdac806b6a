"""`python -m training.script`: trains one of our own two models by the contract.

Whoever starts it gives it the variables of ``docs/contract.md``; `python -m training train` does.
"""

import os
import sys

from training.contract import run
from training.runner.signals import Stop

__all__ = ["main"]


def main() -> int:
    """Carry out what the environment says, and return the exit code."""
    # Read once, when torch is imported. Idle threads that spin take the core from other processes;
    # threads that never spin make two slower than one. This is a tenth of a millisecond of it.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    stop = Stop.at(run.deadline)
    with stop.listening():  # also while torch is imported, which takes its time
        from training.script.script import run_script  # noqa: PLC0415 - after what torch reads

        return run_script(run, stop=stop)


if __name__ == "__main__":
    sys.exit(main())
