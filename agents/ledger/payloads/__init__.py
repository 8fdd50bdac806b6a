"""What each type of event says: one model per type; ``Event.payload`` is one of these.

A writer makes an event from a payload, and the payload names the type. A reader asks for payloads
of a type and never looks into the JSON. JSON values have their JSON type: a fact that is not known
is null, and a number that is not finite, which JSON does not have, is null as well.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.command import command
from agents.errors import LedgerDamaged
from agents.ledger.payloads.base import (
    Foreign,
    Payload,
    Value,
)
from agents.ledger.payloads.people import (
    ApprovalUsed,
    PersonAwaited,
    PersonTold,
    PlanApproved,
)
from agents.ledger.payloads.runs import (
    FactsObserved,
    NotedFailure,
    PlanMade,
    PlanStep,
    Provenance,
    RepositoryState,
    RunFinished,
    RunStalled,
    RunStarted,
    Seen,
    Tried,
)
from agents.ledger.payloads.steps import (
    Metered,
    MoneyLow,
    MoneyReserved,
    MoneySettled,
    OfStep,
    StepFailed,
    StepFinished,
    StepNoted,
    StepStarted,
    StepVerified,
)
from agents.ledger.payloads.watching import (
    FileChanged,
    FileSeen,
    GitCommit,
    GitSeen,
    ScheduleDue,
    ScheduleSeen,
    TriggerDeferred,
    TriggerHandled,
    WatchStarted,
    WebhookReceived,
)

__all__ = [
    "MODELS",
    "ApprovalUsed",
    "FactsObserved",
    "FileChanged",
    "FileSeen",
    "Foreign",
    "GitCommit",
    "GitSeen",
    "Metered",
    "MoneyLow",
    "MoneyReserved",
    "MoneySettled",
    "NotedFailure",
    "OfStep",
    "Payload",
    "PersonAwaited",
    "PersonTold",
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

_ENGINE: tuple[type[Payload], ...] = (
    *(RunStarted, FactsObserved, PlanMade, StepStarted, StepNoted, StepFinished, StepVerified),
    *(StepFailed, MoneyReserved, MoneySettled, PlanApproved, ApprovalUsed, PersonAwaited),
    *(MoneyLow, PersonTold, RunStalled, RunFinished, WatchStarted, TriggerHandled, TriggerDeferred),
)
"""Types that only the engine writes, so that what does not fit is damage."""

_SOURCES: tuple[type[Payload], ...] = (
    *(GitSeen, GitCommit, FileSeen, FileChanged, ScheduleSeen, ScheduleDue, WebhookReceived),
)
"""Types that people may write by hand as well."""

MODELS = {model.kind: model for model in (*_ENGINE, *_SOURCES)}
"""The payload of each type that is ours."""


def payload_of(type_: str, data: Mapping[str, Any], where: str = "an event") -> Payload:
    """The payload that these data are; of a type of others, or that is not as ours, `Foreign`.

    Raises:
        LedgerDamaged: An event of the engine does not say what its type has to say.
    """
    model = MODELS.get(type_)
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
            fix=command("doctor"),
        ) from error
