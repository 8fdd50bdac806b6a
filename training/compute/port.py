"""Compute: where training runs, as a port; and how far a training is, read from its volume."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from training.compute.billing import Report
from training.compute.recipe import Hardware, Recipe
from training.compute.spending import Period
from training.declare.preparing import Maker
from training.runner.ending import Ending, Failure
from training.runner.order import Order
from training.store.directory import TrainingDirectory

__all__ = [
    "AT_WORK",
    "QUEUE_TIMEOUT",
    "Auth",
    "Compute",
    "Hardware",
    "HourlyRate",
    "Launch",
    "NamedImage",
    "Recipe",
    "Shipped",
    "State",
    "TrainingStatus",
    "status_of",
]

State = Literal[
    "absent", "queued", "starting", "crashing", "running", "completed", "interrupted", "failed"
]
"""How far a training is. `queued`: a call was made, and there is no container for it yet.
`starting`: there is one, and what it runs showed no sign of life yet. `crashing`: it was started
again since the last one."""

AT_WORK: Final = ("queued", "starting", "crashing", "running")
"""The states of a training that somebody works on, or will."""

QUEUE_TIMEOUT: Final = "queue_timeout"
"""The name of the failure of a training that waited too long for a container."""


@dataclass(frozen=True)
class Auth:
    """Whether credentials are accepted, and how that is known."""

    valid: bool
    evidence: str
    needed: bool = True


@dataclass(frozen=True)
class HourlyRate:
    """Dollars per hour of a machine: the least, the expected and the most, and who says so when."""

    low: float
    expected: float
    high: float
    source: str
    seen: str


@dataclass(frozen=True)
class Launch:
    """A training that runs now.

    Attributes:
        attached: True when it ran already and nothing was started.
        call_id: The platform's name of it, where there is a platform.
        warning: What a person should know of the budget; empty: nothing.
    """

    owner: str
    attached: bool
    call_id: str = ""
    warning: str = ""


@dataclass(frozen=True)
class NamedImage:
    """An image that has a name.

    Attributes:
        name: By which it is asked for.
        identity: The beginning of its fingerprint.
        written: When it got it, in seconds since 1970.
    """

    name: str
    identity: str
    written: float


@dataclass(frozen=True)
class TrainingStatus:
    """How far a training is, as far as can be seen from here.

    Attributes:
        said: The error it ended with, where the platform tells one that the volume does not.
        ending: How the last attempt ended, where that was read for this status.
        since: How many seconds it has been in this state; None where nobody knows.
        waits_for: What it is queued for, such as a GPU.
        starts: How often it was started since its last sign of life.
        failure: Why it was given up, where the platform or a look at it ended it.
    """

    state: State
    owner: str = ""
    step: int | None = None
    target: int | None = None
    loss: float | None = None
    images_per_second: float | None = None
    steps_per_second: float | None = None
    said: str = ""
    ending: Ending | None = None
    since: float | None = None
    waits_for: str = ""
    starts: int = 0
    failure: Failure | None = None

    @property
    def at_work(self) -> bool:
        """Whether somebody works on it, or will."""
        return self.state in AT_WORK

    @property
    def on_hardware(self) -> bool:
        """Whether hardware is used for it now, which costs something."""
        return self.at_work and self.state != "queued"

    @property
    def words(self) -> str:
        """What it does now, for a person; ``is running`` in most of its life."""
        since = "" if self.since is None else f" since {_duration(self.since)}"
        match self.state:
            case "queued":
                what = _with_article(self.waits_for) if self.waits_for else "a container"
                return f"waits for {what}{since}"
            case "starting":
                return f"its container is starting{since}"
            case "crashing":
                return f"is crashing: started {self.starts} times without a sign of life"
        return f"is {self.state}"


class Shipped(Protocol):
    """The files that a training is started from."""

    @property
    def digest(self) -> str:
        """Of names and bytes: the part ``source`` of its key."""

    @property
    def beside(self) -> "Shipped | None":
        """What is shipped too and in no key; None: nothing."""

    def stage(self, directory: Path) -> None:
        """Copy them to a new directory, with their names below it."""


class Compute(Protocol):
    """Where training runs."""

    @property
    def name(self) -> str:
        """``local``, ``modal`` or ``loopback``."""

    def auth_seen(self) -> Auth | None:
        """What is known about credentials without asking anybody; None: they were not tried yet.

        Raises:
            AuthenticationError: There are none.
        """

    def check_auth(self, needed_seconds: float = 0.0) -> Auth:
        """Ask whether our credentials are accepted, and will be for so long.

        Raises:
            AuthenticationError: They are missing, refused, expired, or end too early.
            Unreachable: Nobody answers.
        """

    def hourly_rates(self, hardware: Sequence[Hardware]) -> "list[HourlyRate | None]":
        """What an hour of one machine costs; None where it costs nothing, or nobody says it.

        Args:
            hardware: Kinds of machines; there is an answer for each.
        """

    @property
    def maker(self) -> Maker | None:
        """Who runs commands that make data where the volume is; None: whoever asks, here."""

    def proof_of(self, recipe: Recipe, smoke: Order | None) -> str | None:
        """The proof that a training can run, in words; None without one.

        Reads one file of the volume, kept under `recipe.proof_digest`, and asks nobody else.

        Args:
            recipe: What the image is made of.
            smoke: The training that was carried for the proof; None: none was.
        """

    def prove(
        self,
        recipe: Recipe,
        smoke: Order | None,
        source: Shipped,
        log: Callable[[str], None],
        cancelled: threading.Event,
    ) -> str:
        """Build the image of a recipe and prove it; returns the proof in words.

        The smoke training is carried by the runner like any other, on a volume of its own that is
        thrown away: what it reads of data and first weights is there under the same names. It
        proves the image when it reaches its end, or comes further. Without one, it is proven that
        the requirements are installed and that the source compiles.

        Raises:
            ImageError: A requirement is missing, or the smoke training failed; with its words.
            Interrupted: ``cancelled`` was set.
        """

    def start(
        self, order: Order, source: Shipped, hardware: Hardware, deadline_seconds: float | None
    ) -> Launch:
        """Start a training, or attach to it when it runs; never two for one key.

        The order is written anew, as what it is judged by and what is kept may have changed. The
        source is staged when the volume does not hold it yet.

        Args:
            order: What is trained.
            source: What it is started from.
            hardware: What it runs on.
            deadline_seconds: After how long it saves and ends; None: when the call has to.

        Raises:
            DiskFull: There is no room for the training's directory.
            Unreachable: Nobody answers, or another launcher is just starting it.
        """

    def bill(self, period: Period) -> Report:
        """What was billed on a day or in a month.

        Args:
            period: Which.
        """

    def images(self) -> "list[NamedImage]":
        """The images that have a name."""

    def remove_image(self, name: str) -> str:
        """Delete the name of an image; why that could not be done, or nothing."""

    def set_aside(self) -> dict[str, float]:
        """Dollars by training that are set aside for calls which are not over."""

    def owner(self, key: str) -> str | None:
        """Who works on a training now; None: nobody does.

        Asks for nothing else, so that it may be asked often.
        """

    def status(self, key: str) -> TrainingStatus:
        """How far a training is."""

    def stop(self, key: str) -> bool:
        """Ask a training to save and end; False when none runs."""


def status_of(
    directory: TrainingDirectory, *, owner: str | None, order: Order | None = None
) -> TrainingStatus:
    """How far a training is, by what it wrote to its volume.

    Args:
        directory: The training.
        owner: Who works on it now, as its compute knows; None: nobody does.
        order: What is trained, where that was read already.
    """
    order = order or directory.read_order()
    ending = None if owner is not None else directory.read_ending()
    rows = directory.last_rows()
    row = _newest(rows, "step")
    loss = _newest(rows, "loss")
    step = _number(row, "step")
    return TrainingStatus(
        state="running" if owner is not None else _ended(directory, ending, began=bool(row)),
        owner=owner or "",
        step=ending.step if ending else None if step is None else int(step),
        target=None if order is None else order.target_step,
        loss=_number(loss, "loss"),
        images_per_second=_number(loss, "images_per_second"),
        steps_per_second=_number(loss, "steps_per_second"),
        ending=ending,
    )


def _duration(seconds: float) -> str:
    """Seconds as a person says them, without what is too small to matter.

    >>> _duration(59), _duration(185), _duration(7300)
    ('59 s', '3 min', '2 h 1 min')
    """
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _with_article(name: str) -> str:
    """A name with what comes before it.

    >>> _with_article("A10G"), _with_article("T4"), _with_article("H100:2 or A100")
    ('an A10G', 'a T4', 'an H100:2 or A100')
    """
    return f"{'an' if name[:1] in 'AEFHILMNORSX' else 'a'} {name}"


def _newest(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The newest row that holds a number; empty without one."""
    return next((row for row in reversed(rows) if name in row), {})


def _ended(directory: TrainingDirectory, ending: Ending | None, *, began: bool) -> State:
    if ending is None:
        return "interrupted" if began or directory.attempts or directory.lease else "absent"
    # an ending older than the newest attempt is of another attempt: the newest one was killed
    return "interrupted" if ending.attempts < directory.attempts else ending.status


def _number(row: dict[str, Any], name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
