"""The shapes of ``--json``: what a program may rely on.

A plan and a run hold exactly what is written here. The story of one run (``show``) holds at least
this: its rows are the data of events, and those may say more.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from agents.declare.work import Work
from agents.ledger.payloads import Value
from agents.schemas.base import AtLeast, Exact
from agents.schemas.money import AccountData, MoneyData

__all__ = [
    "ActionData",
    "ApprovedData",
    "Brief",
    "CancelledData",
    "ErrorData",
    "EventData",
    "ExplainedAction",
    "ExplainedFact",
    "ExplainedGoal",
    "ParameterData",
    "PlanData",
    "RunData",
    "RunRow",
    "ShowData",
    "StatusData",
]


class Cost(Exact):
    """What a step is expected to take."""

    seconds: float
    usd: float | None = Field(description="null where nobody knows the price")


class PlannedFact(Exact):
    """One fact before and after the plan."""

    name: str
    sign: Literal["+", "=", "$", "?", "-"] = Field(
        description="+ becomes true, = is so already, $ becomes true for money, ? unknown, - false"
    )
    value: Value = Field(description="null is unknown")
    evidence: str
    will_be: Value = Field(description="null is unknown; a threshold is written as >= 500")


class Reason(Exact):
    """One fact a step supplies, and for what."""

    fact: str
    for_: str = Field(alias="for", description="a step, or goal")


class PlannedStep(Exact):
    """One step of a plan."""

    id: str
    action: str
    params: dict[str, Any]
    stage: int = Field(ge=0)
    after: list[str] = Field(description="ids of the steps that have to be verified before")
    needs: list[str]
    effect: list[str]
    cost: Cost
    why: list[Reason]


class MissingFact(Exact):
    """A fact that nothing can make true."""

    fact: str
    value: Value
    needed_by: list[str]
    evidence: str


class Span(Exact):
    """The least, the expected and the most."""

    low: float
    expected: float
    high: float


class Estimate(Exact):
    """What the whole plan is expected to take, from rates and history."""

    seconds: Span
    usd: Span | None
    measured_steps: int = Field(ge=0)
    error: float | None = Field(description="by how much earlier estimates were off")


class PlanData(Exact):
    """The data of `plan --json`."""

    goal: str
    params: dict[str, Any]
    status: Literal["optimal", "bounded", "unreachable", "over_budget", "limit"]
    cost: float | None = Field(description="null when there is no plan")
    lower_bound: float | None = Field(description="null when there is no bound")
    seconds: float | None
    usd: float | None = Field(description="null where the price of a step is not known")
    estimate: Estimate
    money: list[AccountData] = Field(description="accounts that something was spent on before")
    approval: list[str] = Field(
        description="actions that wait for a person to agree: they ask for it, or have no price"
    )
    digest: str = Field(description="give it to run as plan_digest=")
    facts: list[PlannedFact]
    steps: list[PlannedStep]
    critical_path: list[str]
    missing: list[MissingFact]


class SeenFact(Exact):
    """One fact as it was observed."""

    name: str
    value: Value = Field(description="null is unknown")
    evidence: str


class RunData(Exact):
    """The data of `run --json`, when the goal holds."""

    run: str | None = Field(description="null when there was nothing to do")
    goal: str
    status: Literal["done", "nothing to do"]
    seconds: float = Field(ge=0)
    steps: list[str]
    facts: list[SeenFact]


class EventData(Exact):
    """One event of the ledger, in a CloudEvents 1.0 envelope."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: str = Field(description="RFC 3339, in UTC")
    datacontenttype: Literal["application/json"]
    data: dict[str, Any]
    sequence: Annotated[str, Field(pattern=r"^\d{10}$")]
    subject: str | None = None
    run: str | None = None
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="over this event and the hash of the one before"
    )

    @model_serializer(mode="wrap")
    def _without_absent(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An attribute that CloudEvents calls optional is absent, not null."""
        return {name: each for name, each in write(self).items() if each is not None}


class RunStep(AtLeast):
    """One step of a run, as far as it got."""

    step: str
    action: str
    status: Literal["running", "finished", "verified", "failed"]
    seconds: float | None
    summary: str
    artifacts: list[dict[str, Any]]
    gates: list[dict[str, Any]]
    measurements: list[dict[str, Any]]
    work: Work | None = Field(None, description="what went on when that was looked at last")


class ShowData(AtLeast):
    """The data of `show --events --json`, and of the resource goap://runs/ID."""

    run: str
    goal: str
    status: str = Field(description="running, done, nothing to do, lost, or the code of an error")
    exit_code: int | None
    started: str
    ended: str
    message: str
    params: dict[str, Any]
    plans: list[dict[str, Any]]
    steps: list[RunStep]
    failures: list[dict[str, Any]]
    money: MoneyData
    events: list[EventData]


class WorkOn(Work):
    """Work that goes on and will make a fact true."""

    fact: str


class StatusData(Exact):
    """The data of `status --json`."""

    goal: str
    holds: bool
    state: str = Field(description="the state directory")
    work: list[WorkOn] = Field(description="what goes on now for these facts")
    facts: list[SeenFact]


class RunRow(Exact):
    """One run in a row of `runs --json`."""

    run: str
    goal: str
    status: str = Field(description="running, done, nothing to do, lost, or the code of an error")
    exit_code: int | None
    started: str
    ended: str
    plans: int
    steps: int
    failures: int
    usd: float
    estimate: dict[str, float] | None


class ParameterData(Exact):
    """One parameter of a goal."""

    name: str
    type: str = Field(description="what it takes, with bounds and choices")
    default: Any
    role: Literal["what", "how"] = Field(
        description="what decides what comes out, how only the way there"
    )
    description: str


class Brief(Exact):
    """A plan in one line."""

    cost: float
    seconds: float
    usd: float
    steps: list[str]


class ActionData(Exact):
    """One action, with the default parameters of the goals it is offered for."""

    name: str
    summary: str
    needs: list[str]
    effect: list[str]
    supplies: list[str] = Field(description="the facts it makes true")
    cost: Cost
    resources: dict[str, int]
    recovery: bool
    approval: bool


class ExplainedFact(Exact):
    """The data of `explain FACT --json`."""

    kind: Literal["fact"] = "fact"
    name: str
    description: str
    value: Value = Field(description="null is unknown")
    evidence: str
    will_be: Value = Field(description="null: the plan does not change it")
    supplied_by: list[str]
    needed_by: list[str]
    wanted_by: list[str]


class ExplainedAction(ActionData):
    """The data of `explain ACTION --json`."""

    kind: Literal["action"] = "action"
    goal: str
    in_plan: bool
    because: list[str]
    forced: Brief | None = Field(description="the cheapest plan that has it, where one has")


class ExplainedGoal(Exact):
    """The data of `explain GOAL --json`."""

    kind: Literal["goal"] = "goal"
    name: str
    summary: str
    status: str
    plan: Brief | None
    runner_up: Brief | None = Field(description="the best other plan")
    then: Brief | None = Field(description="the plan there would be with what is missing")
    wants: list[ExplainedFact]
    missing: list[MissingFact]
    parameters: list[ParameterData]


class ApprovedData(Exact):
    """The data of `approve --json`."""

    run: str
    digest: str
    actions: list[str]
    max_cost: float | None = Field(description="null: whatever it costs, which nobody knows")
    by: str


class CancelledData(Exact):
    """A run was asked to end."""

    run: str
    pid: int
    cancelled: bool
    goes_on: list[str] = Field(
        [], description="what goes on without the run, and is paid for: end it by goap_stop"
    )


class ErrorData(Exact):
    """The `error` of a document that is not ok; also the text of an MCP tool error."""

    code: str
    message: str
    fix: str = Field(description="the command or change that helps; may be empty")
    retryable: bool
