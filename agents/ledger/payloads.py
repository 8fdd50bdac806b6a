"""What each type of event says: one model per type; ``Event.payload`` is one of these.

A writer makes an event from a payload, and the payload names the type. A reader asks for payloads
of a type and never looks into the JSON. JSON values have their JSON type: a fact that is not known
is null, and a number that is not finite, which JSON does not have, is null as well.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.declare.outcome import Outcome
from agents.errors import LedgerDamaged

__all__ = [
    "ApprovalUsed",
    "FactsObserved",
    "FileChanged",
    "FileSeen",
    "Foreign",
    "GitCommit",
    "GitSeen",
    "MoneyReserved",
    "MoneySettled",
    "NotedFailure",
    "OfStep",
    "Payload",
    "PersonAwaited",
    "PlanApproved",
    "PlanMade",
    "PlanStep",
    "Provenance",
    "RepositoryState",
    "RunFinished",
    "RunStalled",
    "RunStarted",
    "ScheduleDue",
    "ScheduleSeen",
    "Seen",
    "StepFailed",
    "StepFinished",
    "StepNoted",
    "StepStarted",
    "StepVerified",
    "Tried",
    "TriggerDeferred",
    "TriggerHandled",
    "Value",
    "WatchStarted",
    "WebhookReceived",
    "payload_of",
]

Value: TypeAlias = bool | int | float | str | None
"""A fact's value in JSON; null is unknown."""


class _Frozen(BaseModel):
    # a field that a later version added without another shape is passed over, not refused
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, defer_build=True)


class Payload(_Frozen):
    """What an event of one type says."""

    kind: ClassVar[str] = ""

    @property
    def type(self) -> str:
        """The type of the events that say this."""
        return self.kind

    def to_json(self) -> dict[str, Any]:
        """The payload as JSON values, as the ledger keeps it."""
        return self.model_dump(mode="json", by_alias=True)


class RepositoryState(_Frozen):
    """The repository as a run found it."""

    commit: str
    dirty: bool
    branch: str = ""


class Provenance(_Frozen):
    """Where a run came from; null where there is no repository."""

    git: RepositoryState | None = None


class RunStarted(Payload):
    """A run begins.

    Attributes:
        what: Values of the parameters that say what is asked for, canonical.
        how: Values of those that only say how it is done.
        request: Digest of the goal and of all values; empty in ledgers of old.
    """

    kind: ClassVar[str] = "run.started"

    goal: str
    what: dict[str, Any] = Field(default_factory=dict)
    how: dict[str, Any] = Field(default_factory=dict)
    request: str = ""
    max_cost: float | None = None
    pid: int = 0
    version: str = ""
    provenance: Provenance = Provenance()

    @property
    def params(self) -> dict[str, Any]:
        """All values that the run was given."""
        return {**self.what, **self.how}


class Seen(_Frozen):
    """What a sensor saw of one fact, and where."""

    value: Value
    evidence: str = ""


class FactsObserved(Payload):
    """Readings by the name of the fact."""

    kind: ClassVar[str] = "facts.observed"

    readings: dict[str, Seen]


class PlanStep(_Frozen):
    """One step of a plan, and the ids of those that come before it."""

    id: str
    action: str
    after: tuple[str, ...] = ()


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


class OfStep(Payload):
    """What every event of a step says: the step of the plan, and its action."""

    step: str
    action: str


class StepStarted(OfStep):
    """A step begins, with what is expected of it so that the error can be told when it ended.

    Attributes:
        basis: What its duration depends on, such as where it runs.
        recalled: It was done while nobody looked; only its outcome is written now.
    """

    kind: ClassVar[str] = "step.started"

    attempt: int = 1
    basis: str = ""
    expected_seconds: float | None = None
    declared_seconds: float | None = None
    recalled: bool = False


class StepNoted(OfStep):
    """What an action tells while it runs.

    Attributes:
        text: For the person watching.
        log: What it printed.
        about: What the action itself remembers; it alone knows the keys.
    """

    kind: ClassVar[str] = "step.noted"

    text: str = ""
    log: str = ""
    about: dict[str, Any] = Field(default_factory=dict)


class StepFinished(OfStep):
    """An action returned; whether it kept its promises is another event."""

    kind: ClassVar[str] = "step.finished"

    seconds: float
    outcome: Outcome


class StepVerified(OfStep):
    """The facts that a step promised, as they were seen."""

    kind: ClassVar[str] = "step.verified"

    facts: dict[str, Seen] = Field(default_factory=dict)


class NotedFailure(_Frozen):
    """A failure by its class and its short stable name."""

    failure_class: str = Field("unknown", alias="class")
    name: str


class StepFailed(OfStep, NotedFailure):
    """A step failed: why, and what a person can do about it."""

    kind: ClassVar[str] = "step.failed"

    message: str
    fix: str = ""


class MoneyReserved(OfStep):
    """The most a step may cost was set aside.

    Attributes:
        account: What the money is booked on.
        usd: Null where nobody knows the price.
        since: When the step began to cost.
        usd_per_second: The rate, where the price depends on the time.
    """

    kind: ClassVar[str] = "money.reserved"

    account: str = ""
    usd: float | None = None
    since: str = ""
    usd_per_second: float | None = None


class MoneySettled(OfStep):
    """What a step cost, and where the rate was read."""

    kind: ClassVar[str] = "money.settled"

    account: str = ""
    usd: float | None = None
    rate: str = ""


class PlanApproved(Payload):
    """A person agreed to one plan, once, up to a cap.

    Attributes:
        run: The run that stopped at the plan.
        actions: Those that needed somebody to agree.
        by: Who agreed.
    """

    kind: ClassVar[str] = "plan.approved"

    digest: str
    max_cost: float
    actions: tuple[str, ...] = ()
    run: str = ""
    by: str = ""


class ApprovalUsed(Payload):
    """An approval was used: that of the event with this id."""

    kind: ClassVar[str] = "approval.used"

    approval: str
    actions: tuple[str, ...]
    max_cost: float
    digest: str = ""


class PersonAwaited(Payload):
    """What only a person can do is waited for."""

    kind: ClassVar[str] = "person.awaited"

    message: str
    fix: str = ""
    seconds: float


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


class GitSeen(Payload):
    """The commit from which on a branch is watched."""

    kind: ClassVar[str] = "git.seen"

    commit: str
    branch: str


class GitCommit(GitSeen):
    """A commit on a branch, with the paths it touches."""

    kind: ClassVar[str] = "git.commit"

    paths: tuple[str, ...] = ()


class FileSeen(Payload):
    """The fingerprint from which on files are watched."""

    kind: ClassVar[str] = "file.seen"

    fingerprint: str
    paths: tuple[str, ...] = ()


class FileChanged(FileSeen):
    """Files are not what they were: the new fingerprint, and the names that changed."""

    kind: ClassVar[str] = "file.changed"


class ScheduleSeen(Payload):
    """The last moment a schedule was due when it was first looked at."""

    kind: ClassVar[str] = "schedule.seen"

    due: str


class ScheduleDue(ScheduleSeen):
    """A schedule was due."""

    kind: ClassVar[str] = "schedule.due"


class WebhookReceived(Payload):
    """A delivery: its kind, the digest of its body, and the plain values at its top."""

    kind: ClassVar[str] = "webhook.received"

    name: str
    delivery_kind: str = Field("", alias="kind")
    sha256: str = ""
    bytes: int = 0
    fields: dict[str, Value] = Field(default_factory=dict)


class WatchStarted(Payload):
    """A watcher begins, for these goals."""

    kind: ClassVar[str] = "watch.started"

    goals: tuple[str, ...] = ()


class TriggerHandled(Payload):
    """A goal was looked at because of events, up to a sequence number.

    Attributes:
        through: The sequence number of the last of them.
        events: Their ids; of many, the first ones.
        run: The run that followed; empty where there was none.
        status: How the look ended.
    """

    kind: ClassVar[str] = "trigger.handled"

    through: int
    events: tuple[str, ...] = ()
    count: int = 0
    run: str = ""
    status: str = ""
    exit_code: int = 0


class TriggerDeferred(TriggerHandled):
    """A look that failed in passing, and is made again later."""

    kind: ClassVar[str] = "trigger.deferred"


class Foreign(Payload):
    """What others say: an event of a type that is not ours, or that does not fit our type."""

    of_type: str
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def type(self) -> str:
        """The type its author gave it."""
        return self.of_type

    def to_json(self) -> dict[str, Any]:
        """The mapping itself."""
        return dict(self.data)


_ENGINE: tuple[type[Payload], ...] = (
    *(RunStarted, FactsObserved, PlanMade, StepStarted, StepNoted, StepFinished, StepVerified),
    *(StepFailed, MoneyReserved, MoneySettled, PlanApproved, ApprovalUsed, PersonAwaited),
    *(RunStalled, RunFinished, WatchStarted, TriggerHandled, TriggerDeferred),
)
"""Types that only the engine writes, so that what does not fit is damage."""

_SOURCES: tuple[type[Payload], ...] = (
    *(GitSeen, GitCommit, FileSeen, FileChanged, ScheduleSeen, ScheduleDue, WebhookReceived),
)
"""Types that people may write by hand as well."""

_MODELS = {model.kind: model for model in (*_ENGINE, *_SOURCES)}


def payload_of(type_: str, data: Mapping[str, Any], where: str = "an event") -> Payload:
    """The payload that these data are; of a type of others, or that is not as ours, `Foreign`.

    Raises:
        LedgerDamaged: An event of the engine does not say what its type has to say.
    """
    model = _MODELS.get(type_)
    if model is None:
        return Foreign(of_type=type_, data=dict(data))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        if model in _SOURCES:
            return Foreign(of_type=type_, data=dict(data))
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise LedgerDamaged(
            f"{where} ({type_}) is not what such an event says: {field}: {first['msg']}",
            fix="python -m agents doctor",
        ) from error
