"""What a run says of itself: how it began, what it saw and planned, how it ended."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from agents.ledger.payloads.base import Frozen, Payload, Value

__all__ = [
    "FactsObserved",
    "NotedFailure",
    "PlanMade",
    "PlanStep",
    "Provenance",
    "RepositoryState",
    "RunFinished",
    "RunStalled",
    "RunStarted",
    "Seen",
    "Tried",
    "values_digest",
]


class RepositoryState(Frozen):
    """The repository as a run found it."""

    commit: str
    dirty: bool
    branch: str = ""


class Provenance(Frozen):
    """Where a run came from; null where there is no repository."""

    git: RepositoryState | None = None


class RunStarted(Payload):
    """A run begins.

    Attributes:
        what: Values of the parameters that say what is asked for, canonical.
        how: Values of those that only say how it is done.
        request: Digest of the goal and of all values; empty in ledgers of old.
        given: Values as they were written, of the parameters that a person should see.
    """

    kind: ClassVar[str] = "run.started"

    goal: str
    given: dict[str, Any] = Field(default_factory=dict)
    what: dict[str, Any] = Field(default_factory=dict)
    how: dict[str, Any] = Field(default_factory=dict)
    request: str = ""
    max_cost: float | None = None
    pid: int = 0
    version: str = ""
    provenance: Provenance = Provenance()

    @property
    def params(self) -> dict[str, Any]:
        """All values that the run was for."""
        return {**self.what, **self.how}

    @property
    def what_digest(self) -> str:
        """What the run was after, however it went about it."""
        return values_digest({"goal": self.goal, "what": self.what})

    @property
    def told(self) -> dict[str, Any]:
        """The values that a person should see."""
        return self.given or self.params


class Seen(Frozen):
    """What a sensor saw of one fact, and where."""

    value: Value
    evidence: str = ""


class FactsObserved(Payload):
    """Readings by the name of the fact.

    Attributes:
        tracebacks: By fact, where the exception came from that its sensor raised.
    """

    kind: ClassVar[str] = "facts.observed"

    readings: dict[str, Seen]
    tracebacks: dict[str, str] = Field(default_factory=dict)


class PlanStep(Frozen):
    """One step of a plan, the ids of those that come before it, and what it is expected to take."""

    id: str
    action: str
    after: tuple[str, ...] = ()
    seconds: float | None = None


class PlanMade(Payload):
    """A plan: what it costs, its steps, who must approve what, and why it is not the one before.

    Attributes:
        seconds_range: The least, the expected and the most.
        usd_range: Likewise; null where nobody knows a price.
        approval: Actions that a person must agree to.
        excluded: Actions that were left out because they failed with nothing changed since.
    """

    kind: ClassVar[str] = "plan.made"

    digest: str
    status: str = ""
    cost: float | None = None
    seconds: float = 0.0
    usd: float | None = None
    seconds_range: tuple[float, float, float] | None = None
    usd_range: tuple[float, float, float] | None = None
    approval: tuple[str, ...] = ()
    steps: tuple[PlanStep, ...] = ()
    because: str = ""
    excluded: tuple[str, ...] = ()


class NotedFailure(Frozen):
    """A failure by its class and its short stable name."""

    failure_class: str = Field("unknown", alias="class")
    name: str


class Tried(NotedFailure):
    """In which way an action failed, and how often."""

    action: str
    times: int


class RunStalled(Payload):
    """Something failed and nothing is left to try."""

    kind: ClassVar[str] = "run.stalled"

    tried: tuple[Tried, ...]


class RunFinished(Payload):
    """How a run ended; one that was killed has no exit code."""

    kind: ClassVar[str] = "run.finished"

    status: str
    exit_code: int | None = None
    message: str = ""
    fix: str = ""


def values_digest(value: object) -> str:
    """64 hex digits of what is asked for; numbers that are equal are alike: 2.0 is 2."""
    text = json.dumps(_comparable(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _comparable(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _comparable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_comparable(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
