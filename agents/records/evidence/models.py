"""Evidence: what a record may say, each number with the event and the file it was read from.

The models here are all that a template ever sees. They are built from events by
`agents.records.evidence.run_log`, and nowhere else.
"""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agents.declare.outcome import Decision

__all__ = [
    "Citation",
    "CitedVerdict",
    "DecisionRecord",
    "Evidence",
    "FileEvidence",
    "Learning",
    "Number",
    "Occurrence",
    "RunFacts",
    "StepTaken",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, defer_build=True)


class Citation(_Frozen):
    """Where one number comes from.

    Attributes:
        run: The run id.
        event: The event id; the identity of the source.
        sequence: The event's position in the ledger, for people.
        file: The file the number was read from, as the action named it; may be empty.
        sha256: Digest of that file when the step ended; empty when the step gave none.
    """

    run: str
    event: str
    sequence: int
    file: str = ""
    sha256: str = ""


class Number(_Frozen):
    """One measured value and its source."""

    name: str
    value: float
    unit: str
    source: Citation


class CitedVerdict(_Frozen):
    """One gate: the verdict is computed here from value and threshold, never taken on trust."""

    name: str
    metric: str
    threshold: float
    direction: Literal[">=", "<="]
    value: float
    source: Citation

    @property
    def passed(self) -> bool:
        """Whether the value is on the right side of the threshold; NaN never is."""
        if math.isnan(self.value):
            return False
        if self.direction == ">=":
            return self.value >= self.threshold
        return self.value <= self.threshold


class FileEvidence(_Frozen):
    """One file a step produced."""

    name: str
    path: str
    sha256: str
    bytes: int
    source: Citation


class RunFacts(_Frozen):
    """What is true of a whole run from its first event on."""

    id: str
    goal: str
    params: tuple[tuple[str, str], ...]
    version: str
    commit: str
    dirty: bool
    branch: str
    started: str


class Evidence(_Frozen):
    """What one run measured for one decision, or of one thing.

    Attributes:
        run: The run it happened in.
        about: Identity of what was measured; empty where it was nothing with an identity.
        compared_by: What must be the same in two before their measurements are compared.
        source: The event of the step that ended it.
        at: Time of that event, RFC 3339.
        action: The action of that step.
        seconds: Measured duration of that step.
        summary: The step's own one-line summary.
        numbers: Measurements of that step, and of earlier steps of the run about the same.
        verdicts: Gates, likewise.
        files: Artifacts, likewise.
        provenance: Pairs (what, value) that say how to reproduce it.
    """

    run: RunFacts
    about: str
    compared_by: str
    source: Citation
    at: str
    action: str
    seconds: float
    summary: str
    numbers: tuple[Number, ...]
    verdicts: tuple[CitedVerdict, ...]
    files: tuple[FileEvidence, ...]
    provenance: tuple[tuple[str, str], ...]

    @property
    def passed(self) -> bool:
        """True when every gate passed (and when there is none)."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def date(self) -> str:
        """The day of the event, UTC."""
        return self.at[:10]


class DecisionRecord(_Frozen):
    """One decision: made by its first evidence, supported or contradicted by the rest."""

    key: str
    decision: Decision
    digest: str
    evidence: tuple[Evidence, ...]

    @property
    def opening(self) -> Evidence:
        """The evidence that made the decision; gives the record its identity and date."""
        return self.evidence[0]


class StepTaken(_Frozen):
    """A step that finished, as other records refer to it."""

    action: str
    seconds: float
    source: Citation
    at: str


class Occurrence(_Frozen):
    """One time something was seen."""

    run: str
    event: str
    sequence: int
    at: str


class Learning(_Frozen):
    """What a failure that was got past, or an outcome with a lesson, taught.

    The text tells the first time it was seen; ``occurrences`` counts the others.

    Attributes:
        fingerprint: Identity: action, class and normalised message of a failure; action and
            decision key or kind of summary of a lesson.
        kind: ``failure`` or ``lesson``.
        area: What the lesson is about, where no failure has a class.
        between: Steps that finished between the failure and the success.
        success: The step that got past the failure, or that taught the lesson.
        summary: What that step said of itself.
        numbers: Numbers behind a lesson.
        verdicts: Gates behind a lesson.
    """

    fingerprint: str
    kind: Literal["failure", "lesson"]
    title: str
    action: str
    failure_class: str = ""
    failure_name: str = ""
    message: str = ""
    advice: str = ""
    lesson: str = ""
    decision_key: str = ""
    area: str = ""
    between: tuple[StepTaken, ...] = ()
    success: StepTaken
    summary: str = ""
    numbers: tuple[Number, ...] = ()
    verdicts: tuple[CitedVerdict, ...] = ()
    occurrences: tuple[Occurrence, ...]

    @property
    def opening(self) -> Occurrence:
        """The first time it was seen."""
        return self.occurrences[0]
