"""Where and how one attempt runs, as whoever starts it knows."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from training.errors import ConfigError, DataError
from training.runner.account import HEARTBEAT_SECONDS, Rented
from training.runner.ending import Ending
from training.runner.nodes import Crew
from training.runner.order import Order
from training.runner.process import GRACE_SECONDS
from training.store.layout import LocalLayout

__all__ = ["Call", "Follower", "data_directory", "script_base"]


class Follower(Protocol):
    """Whoever shows a training somewhere else, while it runs; nothing that it does may raise."""

    def begin(
        self, order: Order, layout: LocalLayout, step: int, rows: Sequence[Mapping[str, float]]
    ) -> None:
        """Go on after a step, with the rows up to there."""

    def look(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Show what is new: these rows, and the samples that are there now."""

    def end(self, ending: Ending) -> None:
        """Show how it ended."""


@dataclass(frozen=True)
class Call:
    """Where and how an attempt runs.

    Attributes:
        rented: The hardware, for the account.
        programs: Directories that come first on the script's PATH.
        contract: A directory put on the script's PYTHONPATH, last, that holds the contract.
        environment: What the script's environment starts from.
        heartbeat: Seconds between two lines of the account.
        grace: Seconds from SIGTERM until the script is killed.
        scratch: Where the work directory is made; None: where the system keeps such.
        after_save: Called when the account has a new line, when checkpoints are sealed and when
            the attempt ended: a container commits its volume here.
        follower: Sees each row and sample, and shows them somewhere else; None: nobody does.
        crew: The machines that run the script beside this one; None: it is alone.
        console: Gets the runner's lines of the log as well.
        bucket: Where the bucket of an order is mounted; None: no bucket can be.
    """

    rented: Rented = field(default_factory=Rented)
    programs: tuple[str, ...] = ()
    contract: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    heartbeat: float = HEARTBEAT_SECONDS
    grace: float = GRACE_SECONDS
    scratch: Path | None = None
    after_save: Callable[[], None] = lambda: None
    console: Callable[[str], object] | None = None
    follower: "Follower | None" = None
    crew: Crew | None = None
    bucket: Path | None = None


def data_directory(order: Order, root: Path, call: Call) -> str:
    """The directory that a script reads its data in; empty without data.

    Args:
        order: Says where it is.
        root: The directory of the volume.
        call: Knows where a bucket is mounted.

    Raises:
        ConfigError: It is in a bucket, and none can be mounted here.
        DataError: The bucket holds nothing there.
    """
    if order.bucket is None:
        return str(root / order.data_path) if order.data_path else ""
    if call.bucket is None:
        raise ConfigError(
            f"the data of {order.name} is {order.bucket.label}, and this machine mounts no bucket",
            fix="compute=modal; or rehearse it: compute=loopback",
            code="no_bucket_here",
        )
    if not call.bucket.is_dir() or next(call.bucket.iterdir(), None) is None:
        raise DataError(
            f"{order.bucket.label} holds nothing: its container sees an empty directory",
            fix="correct name, key_prefix= or endpoint_url= of the Bucket; then the same command",
            code="bucket_empty",
        )
    return str(call.bucket)


def script_base(call: Call) -> dict[str, str]:
    """What the environment of a script starts from: nothing of ours that was meant for us."""
    base = {name: value for name, value in call.environment.items() if name[:5] != "GOAP_"}
    path = os.pathsep.join([*call.programs, base.get("PATH", os.defpath)])
    python = os.pathsep.join(filter(None, [base.get("PYTHONPATH", ""), call.contract]))
    return {
        **base,
        "PATH": path,
        **({"PYTHONPATH": python} if python else {}),
        "PYTHONUNBUFFERED": "1",
    }
