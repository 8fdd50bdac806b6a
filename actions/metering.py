"""What a training used so far, as the account on its volume says: whoever launched it, from where.

The hardware writes its lines itself, at least every minute, so nobody's clock is asked.
"""

from dataclasses import replace
from typing import Final

from actions.carried import Carried, ending_of, status_of
from actions.ports import translated
from agents.declare.actions import Context, Meter, Range
from training.runner.account import (
    HEARTBEAT_SECONDS,
    Use,
    dollars_of,
    is_open,
    total_seconds,
    uses_of,
)
from training.store.tail import Tail

__all__ = ["Following", "meter_of", "rest_of"]

START_SECONDS: Final = 60.0
"""What an attempt takes beside its steps, at most, where the speed was measured on few of them."""

SLOWER, FASTER = 1.25, 0.8
"""By how much the rest may differ from what was measured."""


def meter_of(context: Context, job: Carried) -> Meter:
    """What a training used, and what it still takes by its own speed.

    Raises:
        GoapError: Nobody answers.
    """
    with translated():
        uses = uses_of(job.directory.read(job.directory.account_name) or b"")
        # a use that ended asks nobody: its hardware is not used any more
        running = is_open(uses) and status_of(context, job).on_hardware
    ending = ending_of(context, job)
    step = 0 if ending is None else ending.step
    return _meter(job, uses, step, running=running)


class Following:
    """The meter of a training that is followed: each line of its account is read once.

    Args:
        context: Is told.
        job: The training.
        compute: The name of where it runs.
    """

    def __init__(self, context: Context, job: Carried, compute: str) -> None:
        self._context, self._job, self._compute = context, job, compute
        self._tail = Tail(job.volume, job.directory.account_name)
        self._uses: list[Use] = []

    def follow(self, step: int | None, *, running: bool) -> None:
        """Read what is new, and tell it.

        Args:
            step: How far the training is.
            running: Whether its hardware is used now.
        """
        if self._compute == "local":
            return  # nobody pays
        before, new = self._tail.at, self._tail.read()
        if self._tail.at < before:
            self._uses = []  # the account was begun anew
        self._uses += uses_of(new)
        self._context.used(_meter(self._job, self._uses, step or 0, running=running))


def _meter(job: Carried, uses: list[Use], step: int, *, running: bool) -> Meter:
    seconds = total_seconds(uses)
    dollars = dollars_of(uses)
    usd = None if dollars is None else Range(*dollars)
    meter = Meter(seconds, usd, running, machines=_at_once(uses))
    target = job.order.target_step
    if target is None or step < 1:
        return meter
    return replace(meter, rest=rest_of(seconds, step, max(0, target - step), running=running))


def _at_once(uses: list[Use]) -> int:
    """The machines of the newest attempt that nobody wrote the last line of."""
    newest = max((each.attempt for each in uses), default=0)
    latest = {each.rank: each for each in uses if each.attempt == newest}
    return max(1, sum(each.state != "ended" for each in latest.values()))


def rest_of(seconds: float, done: float, left: float, *, running: bool) -> Range:
    """Seconds that a training still takes, by what it took so far, with all its starts and stops.

    Args:
        seconds: Used so far, as its account says.
        done: Steps that were done in that time.
        left: Steps that are still to do, those included that a restart repeats.
        running: Whether it runs: the newest line of its account is older than its newest step then.
    """
    rest = left * (seconds + (HEARTBEAT_SECONDS if running else 0.0)) / done
    return Range(rest * FASTER, rest, rest * SLOWER + START_SECONDS)
