"""Compute: where training runs, as a port; and how far a training is, read from its volume."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from training.learn.config import Execution
from training.store.directory import TrainingDirectory
from training.store.result import Result
from training.store.spec import Spec

__all__ = ["Auth", "Compute", "HourlyRate", "Launch", "State", "TrainingStatus", "status_of"]

State = Literal["absent", "running", "completed", "interrupted", "failed"]


@dataclass(frozen=True)
class Auth:
    """Whether credentials are accepted, and how that is known."""

    valid: bool
    evidence: str
    needed: bool = True


@dataclass(frozen=True)
class HourlyRate:
    """Dollars per hour of training: the least, the expected and the most, and who says so when."""

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
    """

    owner: str
    attached: bool
    call_id: str = ""


@dataclass(frozen=True)
class TrainingStatus:
    """How far a training is, as far as can be seen from here.

    Attributes:
        said: The error it ended with, where the platform tells one that the volume does not.
        result: How the last attempt ended, where that was read for this status.
    """

    state: State
    owner: str = ""
    step: int | None = None
    target: int | None = None
    loss: float | None = None
    images_per_second: float | None = None
    steps_per_second: float | None = None
    said: str = ""
    result: Result | None = None


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

    def hourly_rate(self) -> HourlyRate | None:
        """What an hour of training costs; None where it costs nothing, or nobody says it."""

    def image_fingerprint(self) -> str:
        """Digest of what the image is made of."""

    def image_status(self) -> str | None:
        """The proof that the image of this fingerprint works, in words; None without one."""

    def build_image(self, log: Callable[[str], None], cancelled: threading.Event) -> str:
        """Build and prove the image; returns the proof in words.

        Raises:
            ImageError: A module or a requirement is missing.
            Interrupted: ``cancelled`` was set.
        """

    def launch(self, spec: Spec, execution: Execution) -> Launch:
        """Start a training, or attach to it when it runs; never two for one key."""

    def status(self, key: str) -> TrainingStatus:
        """How far a training is."""

    def stop(self, key: str) -> bool:
        """Ask a training to save and end; False when none runs."""


def status_of(directory: TrainingDirectory, *, owner: str | None) -> TrainingStatus:
    """How far a training is, by what it wrote to its volume.

    Args:
        directory: The training.
        owner: Who works on it now, as its compute knows; None: nobody does.
    """
    result = None if owner is not None else directory.read_result()
    spec, row = directory.read_spec(), directory.last_metrics() or {}
    step = _number(row, "step")
    return TrainingStatus(
        state="running" if owner is not None else _ended(directory, result, began=bool(row)),
        owner=owner or "",
        step=result.step if result else None if step is None else int(step),
        target=None if spec is None else spec.settings.steps,
        loss=_number(row, "loss"),
        images_per_second=_number(row, "images_per_second"),
        steps_per_second=_number(row, "steps_per_second"),
        result=result,
    )


def _ended(directory: TrainingDirectory, result: Result | None, *, began: bool) -> State:
    if result is None:
        return "interrupted" if began or directory.attempts or directory.lease else "absent"
    # a result older than the newest attempt is of another attempt: the newest one was killed
    return "interrupted" if result.attempts < directory.attempts else result.status


def _number(row: dict[str, Any], name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
