"""What a step measured, in the one form that the ledger keeps and the records quote."""

import math
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

__all__ = ["Artifact", "Decision", "Measurement", "Outcome", "Ranking", "Series", "Verdict"]


def _from_json(value: object) -> object:
    return math.nan if value is None else value


def _to_json(value: float) -> float | None:
    return value if math.isfinite(value) else None


Measured: TypeAlias = Annotated[
    float, BeforeValidator(_from_json), PlainSerializer(_to_json, float | None, when_used="json")
]
"""A number that was measured. JSON has none that is not finite: it is null, read as NaN."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, defer_build=True)


class Measurement(_Frozen):
    """One number and where it was seen."""

    name: str
    value: Measured
    unit: str = ""
    source: str = Field(default="", description="file or event the number was read from")


class Artifact(_Frozen):
    """One file a step produced."""

    name: str
    path: str
    sha256: str = ""
    bytes: int = 0


class Verdict(_Frozen):
    """What a gate gave: the value against its threshold. A gate decides, never a sentence."""

    name: str
    metric: str
    threshold: float
    direction: Literal[">=", "<="]
    value: Measured
    passed: bool


class Ranking(_Frozen):
    """The measurement by which one choice is better than another of the same decision key."""

    measurement: str
    best: Literal["lowest", "highest"]


class Decision(_Frozen):
    """A choice worth an ADR: which one, and the prose around it.

    The prose holds no numbers: those come from the measurements, where each has its source.
    """

    key: str = Field(description="identity of the decision, such as promote:search:index3")
    title: str
    context: str
    decision: str
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    alternatives: tuple[tuple[str, str], ...] = Field(
        default=(), description="pairs (alternative, why it was not chosen)"
    )
    references: tuple[str, ...] = ()
    ranking: Ranking | None = Field(
        None, description="a choice that is not better than the one that stands only supports it"
    )


class Series(_Frozen):
    """One number as it changed while the step ran."""

    name: str
    points: tuple[tuple[float, Measured], ...] = Field(description="pairs (when, value), in order")
    source: str = ""


class Outcome(_Frozen):
    """The typed result of one step."""

    summary: str
    measurements: tuple[Measurement, ...] = ()
    series: tuple[Series, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    gates: tuple[Verdict, ...] = ()
    provenance: dict[str, str] = Field(default_factory=dict)
    decision: Decision | None = None
    lesson: str = Field(default="", description="what a person should remember; no numbers")

    @property
    def passed(self) -> bool:
        """True when every gate passed (and when there is none)."""
        return all(gate.passed for gate in self.gates)
