"""The decision that a mitigated failure is: which recovery to plan when it happens again."""

from collections.abc import Iterator
from dataclasses import dataclass

from agents.declare.outcome import Decision
from agents.records.evidence.recovery import GotPast, got_past
from agents.records.evidence.run_log import Failed, Finished, RunLog

__all__ = ["Mitigation", "mitigation_key", "mitigations"]


@dataclass(frozen=True)
class Mitigation:
    """One failure of one run that recoveries got past, however often it came back before.

    Attributes:
        decision: What was done about it, as a decision.
        success: The step that got past it.
        summary: Failures, recoveries and the success, each by its event.
    """

    decision: Decision
    success: Finished
    summary: str


def mitigation_key(failure: Failed) -> str:
    """The identity of the decision about a failure."""
    return f"mitigate:{failure.action}:{failure.name}"


def mitigations(log: RunLog) -> Iterator[Mitigation]:
    """Failures that a step planned for them got past; one that was just tried again is left out."""
    groups: dict[tuple[str, str], list[GotPast]] = {}
    for past in got_past(log):
        if past.added:
            group = (mitigation_key(past.failure), past.success.event.id)
            groups.setdefault(group, []).append(past)
    for (key, _), pasts in groups.items():
        yield Mitigation(_decision(key, pasts), pasts[0].success, _summary(pasts))


def _decision(key: str, pasts: list[GotPast]) -> Decision:
    failure = pasts[0].failure
    action, name = failure.action, failure.name.replace("_", " ")
    steps = " and ".join(dict.fromkeys(step.action for past in pasts for step in past.added))
    return Decision(
        key=key,
        title=f"Answer {name} of {action} with {steps}",
        context=(
            f"The step {action} failed: {name}, class {failure.failure_class}. What it said is in "
            "the learnings. The plan made after the failure held a step that the plan before it "
            "did not."
        ),
        decision=f"When {action} fails with {failure.name}, run {steps}, then {action} again.",
        positive=(f"{action} finished in the same run.",),
        negative=(f"The time until the failure, and that of {steps}, is spent.",),
        alternatives=(
            (
                f"Run {action} again as it was",
                "the failure had made a fact false that the plan then had to make true first",
            ),
        ),
    )


def _summary(pasts: list[GotPast]) -> str:
    told = []
    for past in pasts:
        told.append(f"{past.failure.action} failed (event {past.failure.event.sequence})")
        told += [
            f"{step.action} (event {step.event.sequence}): {step.outcome.summary}"
            for step in past.added
        ]
    success = pasts[0].success
    told.append(f"{success.action} (event {success.event.sequence}): {success.outcome.summary}")
    return "; ".join(told)
