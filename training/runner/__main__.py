"""Carry one training: ``python -m training.runner --volume DIRECTORY --key KEY``."""

import argparse
import os
import sys
from pathlib import Path

from training.errors import FailureClass, TrainingError
from training.runner.account import HEARTBEAT_SECONDS
from training.runner.call import Call, Follower
from training.runner.carry import carry
from training.runner.ending import Ending
from training.runner.process import GRACE_SECONDS
from training.runner.signals import Stop
from training.store.layout import LocalLayout
from training.store.lock import holding

__all__ = ["exit_code", "main"]

EXIT_OK, EXIT_FAILED, EXIT_RESOURCE, EXIT_INTERRUPTED = 0, 1, 3, 75


def exit_code(ending: Ending) -> int:
    """0 for a training that reached its end and passed its gates."""
    if ending.status == "interrupted":
        return EXIT_INTERRUPTED
    failure = ending.failure
    if failure is not None and failure.failure_class is FailureClass.RESOURCE:
        return EXIT_RESOURCE
    return EXIT_OK if ending.passed else EXIT_FAILED


def main(words: list[str] | None = None) -> int:
    """Carry the training of a key, and return what its end means."""
    parser = argparse.ArgumentParser(prog="python -m training.runner", description=__doc__)
    parser.add_argument("--volume", type=Path, required=True, help="directory of the volume")
    parser.add_argument("--key", required=True, help="the training, whose order is there")
    parser.add_argument("--lock-fd", type=int, help="descriptor of the lock the parent has taken")
    parser.add_argument("--deadline", type=float, help="save and end after so many seconds")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds to save in")
    parser.add_argument(
        "--heartbeat",
        type=float,
        default=HEARTBEAT_SECONDS,
        help="seconds between two lines of the account",
    )
    parser.add_argument("--programs", action="append", default=[], help="first on the PATH")
    parser.add_argument("--contract", default="", help="directory with training/contract.py")
    parser.add_argument("--track", default="", help="show rows and samples in this tracker as well")
    options = parser.parse_args(words)
    layout = LocalLayout(options.volume.absolute(), options.key)
    if options.lock_fd is not None:
        os.set_inheritable(options.lock_fd, False)
    call = Call(
        programs=tuple(options.programs),
        contract=options.contract,
        heartbeat=options.heartbeat,
        grace=options.grace,
        follower=_follower(options.track),
    )
    try:
        with holding(layout, options.lock_fd):
            return exit_code(carry(layout.root, layout.key, Stop(options.deadline), call))
    except TrainingError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"  fix: {error.fix}\n" * bool(error.fix)))
        return EXIT_FAILED


def _follower(track: str) -> Follower | None:
    if not track:
        return None
    # it imports what trackers need, which the runner does without
    from training.track.following import following  # noqa: PLC0415

    return following(track)


if __name__ == "__main__":
    sys.exit(main())
