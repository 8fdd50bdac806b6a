"""What a container does before it trains: whether its call is the one that may.

The calls of a key take turns: after each call exactly one other may train, and the second to ask
for the same turn ends at once. A `modal.Dict` decides who was first, and the lease on the volume
says it for ever.

Imports the standard library, the modal client, and of ours what needs no more than that.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import modal

from training.compute.modal.container import CLAIMS_NAME, MOST_STARTS, give_up
from training.store.layout import LocalLayout
from training.store.lease import Lease
from training.store.volume import LocalVolume

__all__ = [
    "CLAIMS_NAME",
    "Entry",
    "cancelling",
    "container_began",
    "enter",
    "longest_slice",
    "turn",
]

MARGIN_SECONDS: Final = 10 * 60
OLDEST_SECONDS: Final = 60 * 60


@dataclass(frozen=True)
class Entry:
    """Whether a call may train.

    Attributes:
        call: Its id.
        answer: What it returns instead of training; None: it trains.
        alive: Keeps that there was a sign of life; the next commit publishes it.
        starts: How often this call was started since its newest checkpoint, this time with them.
    """

    call: str
    answer: dict[str, Any] | None = None
    alive: Callable[[], None] = lambda: None
    starts: int = 1


def container_began() -> float:
    """When the first process of this container of ours began, in seconds since 1970.

    What came before it, such as fetching the image, nobody in here can see.
    """
    now = time.time()
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        up = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        began = now - up + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return now
    # one container works on one call: a process that is older than this was not started for it
    return began if 0.0 <= now - began <= OLDEST_SECONDS else now


def turn(key: str, after: str) -> str:
    """The name under which the one call that trains `key` after the call `after` is kept."""
    return f"turn/{key}/{after or 'first'}"


def longest_slice(timeout: float) -> float:
    """Seconds after which a call saves and ends in peace, before the platform ends it.

    >>> longest_slice(86_400), longest_slice(120)
    (85800, 90.0)
    """
    return timeout - min(MARGIN_SECONDS, timeout / 4)


def enter(layout: LocalLayout, over: Sequence[str], volume: modal.Volume) -> Entry:
    """Take this call's turn and the lease, and count that it was started.

    Args:
        layout: The training on the volume that is mounted.
        over: The calls that had it before and are known to be over, the last one last.
        volume: What is mounted.
    """
    call, key = modal.current_function_call_id() or "unknown", layout.key
    claims = modal.Dict.from_name(CLAIMS_NAME, create_if_missing=True)
    mine = turn(key, over[-1] if over else "")
    if not claims.put(mine, call, skip_if_exists=True) and (owner := claims.get(mine)) != call:
        return Entry(call, {"duplicate_of": str(owner)})
    volume.reload()
    lease = Lease(LocalVolume(layout.root), layout)
    # claims are forgotten after a week without use; the lease on the volume is not
    owner = lease.holder
    if owner not in ("", call, *over):
        return Entry(call, {"duplicate_of": owner})
    lease.take(call)
    starts = lease.count_start(call)
    volume.commit()
    said = ""
    if starts > MOST_STARTS:
        said = f"call {call} died {MOST_STARTS} times without a new checkpoint"
    # who launches it again, on something else, has one container to show that it helped
    elif lease.without_life > MOST_STARTS and starts > 1:
        said = f"{key} was started {lease.without_life - 1} times and never showed a sign of life"
    answer = give_up(call, said, _MORE) if said else None
    return Entry(call, answer, lease.show_life, starts)


_MORE: Final = (
    "its log says what it did last; more memory= or another gpu= of the training, then run the "
    "same command again"
)


@contextmanager
def cancelling(ask: Callable[[], None]) -> Iterator[None]:
    """Let the platform's cancellation ask to stop, in place of an exception at any line.

    Args:
        ask: What asks.
    """

    def take(_number: int, _frame: FrameType | None) -> None:
        ask()

    before = signal.signal(signal.SIGUSR1, take)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
