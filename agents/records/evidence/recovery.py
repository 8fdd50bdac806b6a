"""Failures that a run got past, and the steps that the plans after them had added."""

from collections.abc import Iterator
from dataclasses import dataclass

from agents.records.evidence.run_log import Failed, Finished, RunLog

__all__ = ["GotPast", "got_past"]


@dataclass(frozen=True)
class GotPast:
    """A failure after which the same action finished in the same run.

    Attributes:
        failure: What failed.
        between: Steps of other actions that finished before the action was tried again.
        added: Those of them that the plan that failed did not have before it: the recovery.
        success: The time the action finished and was not judged a failure afterwards.
    """

    failure: Failed
    between: tuple[Finished, ...]
    added: tuple[Finished, ...]
    success: Finished


def got_past(log: RunLog) -> Iterator[GotPast]:
    """The failures of a run that it got past, in their order."""
    for failure in log.failed:
        success = _success_after(log, failure)
        if success is None:
            continue
        start = failure.event.sequence
        again = [each.event.sequence for each in log.failed if each.action == failure.action]
        end = min([success.event.sequence, *(place for place in again if place > start)])
        between = tuple(
            step
            for step in log.finished
            if start < step.event.sequence < end and step.action != failure.action
        )
        planned = _planned_at(log, start)
        added = tuple(step for step in between if step.action not in planned)
        yield GotPast(failure, between, added, success)


def _planned_at(log: RunLog, sequence: int) -> set[str]:
    """The actions that the plan followed at that moment still had to do."""
    before = [each for each in log.plans if each.event.sequence < sequence]
    if not before:
        return set()
    done = {
        step.action
        for step in log.finished
        if before[-1].event.sequence < step.event.sequence < sequence
    }
    return {step.action for step in before[-1].plan.steps} - done


def _success_after(log: RunLog, failure: Failed) -> Finished | None:
    """The next time the action finished and was not judged a failure afterwards."""
    failures = [each for each in log.failed if each.action == failure.action]
    for step in log.finished:
        if step.action != failure.action or step.event.sequence < failure.event.sequence:
            continue
        # a step whose gate or promise fails is in the ledger twice: as finished, then as failed
        next_failure = min(
            (f.event.sequence for f in failures if f.event.sequence > step.event.sequence),
            default=None,
        )
        next_finish = min(
            (
                s.event.sequence
                for s in log.finished
                if s.action == step.action and s.event.sequence > step.event.sequence
            ),
            default=None,
        )
        undone = next_failure is not None and (next_finish is None or next_failure < next_finish)
        if step.outcome.passed and not undone:
            return step
    return None
