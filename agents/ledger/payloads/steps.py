"""What is said of a step: how it went, and what it cost."""

from typing import Any, ClassVar

from pydantic import Field

from agents.declare.outcome import Outcome
from agents.declare.work import Work
from agents.ledger.payloads.base import Frozen, Payload
from agents.ledger.payloads.runs import NotedFailure, Seen

__all__ = [
    "Metered",
    "MoneyLow",
    "MoneyReserved",
    "MoneySettled",
    "OfStep",
    "StepFailed",
    "StepFinished",
    "StepNoted",
    "StepStarted",
    "StepVerified",
]


class OfStep(Payload):
    """What every event of a step says: the step of the plan, and its action."""

    step: str
    action: str


class StepStarted(OfStep):
    """A step begins, with what is expected of it so that the error can be told when it ended.

    Attributes:
        basis: What its duration depends on, such as where it runs.
        machines: How many are used at once.
        recalled: It was done while nobody looked; only its outcome is written now.
    """

    kind: ClassVar[str] = "step.started"

    attempt: int = 1
    basis: str = ""
    machines: int = 1
    expected_seconds: float | None = None
    declared_seconds: float | None = None
    recalled: bool = False


class StepNoted(OfStep):
    """What an action tells while it runs.

    Attributes:
        text: For the person watching.
        log: What it printed.
        about: What the action itself remembers; it alone knows the keys.
        work: What goes on now where the step waits for it.
    """

    kind: ClassVar[str] = "step.noted"

    text: str = ""
    log: str = ""
    about: dict[str, Any] = Field(default_factory=dict)
    work: Work | None = None


class StepFinished(OfStep):
    """An action returned; whether it kept its promises is another event."""

    kind: ClassVar[str] = "step.finished"

    seconds: float
    outcome: Outcome


class StepVerified(OfStep):
    """The facts that a step promised, as they were seen."""

    kind: ClassVar[str] = "step.verified"

    facts: dict[str, Seen] = Field(default_factory=dict)


class StepFailed(OfStep, NotedFailure):
    """A step failed: why, and what a person can do about it.

    Attributes:
        traceback: Where an exception came from that nobody foresaw.
    """

    kind: ClassVar[str] = "step.failed"

    message: str
    fix: str = ""
    traceback: str = ""


class Metered(Frozen):
    """What the meter of an account showed.

    Attributes:
        seconds: Used until then, by whoever began it.
        usd: Dollars for that: the least, the expected, the most.
        running: Whether it went on.
    """

    seconds: float
    usd: tuple[float, float, float]
    running: bool = False


class MoneyReserved(OfStep):
    """The most a step may cost was set aside.

    Attributes:
        account: What the money is booked on.
        usd: Null where nobody knows the price.
        since: When the step began to cost.
        usd_per_second: The rate, where the price depends on the time.
        meter: What the meter of the account showed before; null where it has none.
    """

    kind: ClassVar[str] = "money.reserved"

    account: str = ""
    usd: float | None = None
    since: str = ""
    usd_per_second: float | None = None
    meter: Metered | None = None


class MoneyLow(Payload):
    """Most of the money of a run is used."""

    kind: ClassVar[str] = "money.low"

    usd: float
    cap: float


class MoneySettled(OfStep):
    """What a step cost, and where the rate was read.

    Attributes:
        account: What the money is booked on.
        usd: Null where nobody knows the price.
        rate: Where the rate was read; empty where that is not known, or there is none.
        by_time: Whether the time was paid for; one that was written without it says that by a rate.
        meter: What the meter of the account showed; while it runs on, what it uses is booked later.
    """

    kind: ClassVar[str] = "money.settled"

    account: str = ""
    usd: float | None = None
    rate: str = ""
    by_time: bool = False
    meter: Metered | None = None
