"""Failures: what kind they are, and the memory that keeps a run from repeating them for ever."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agents.command import command
from agents.declare.facts import UNKNOWN, Condition, WorldState
from agents.errors import (
    ActionFailed,
    FailureClass,
    Transient,
    Unauthenticated,
)
from agents.ledger.payloads import Tried
from agents.machine import explained
from agents.run.where import place_of, way_of

__all__ = ["FailureMemory", "StepFailure", "classify"]


@dataclass(frozen=True)
class StepFailure:
    """One failed step of a plan."""

    step: str
    action: str
    error: ActionFailed


def classify(error: Exception) -> ActionFailed:
    """The failure an exception stands for; anything unforeseen is of class unknown."""
    if isinstance(error, ActionFailed):
        return error
    place, way = place_of(error), way_of(error)
    described = f"{type(error).__name__}: {error}" + (f" ({place})" if place else "")
    if isinstance(error, ConnectionError | TimeoutError):
        return Transient(described, name="connection", traceback=way)
    foreseen = explained(error)
    if isinstance(foreseen, ActionFailed):
        foreseen.traceback = way
        return foreseen
    return ActionFailed(
        described if foreseen is None else f"{foreseen.message} ({described})",
        fix=foreseen.fix
        if foreseen is not None
        else command("show last --debug says where it came from"),
        name=type(error).__name__,
        traceback=way,
    )


MOST_FAILURES = 8
"""An action that fails so often in one way is given up, whatever changes around it."""


@dataclass
class FailureMemory:
    """Which actions failed in which situation; asked before every new plan.

    A failure that changed what its action needs is a fact to plan from: once that is repaired the
    action may be tried again. One that changed nothing would happen again, so the action is left
    out of planning until something it needs changes. Passing failures may be tried a few times,
    and an interrupted action as long as it gets further each time.

    A situation says which needs hold, not their values: the free space of a disk is never the same
    twice, and would make every failure look new.
    """

    _situations: dict[str, str] = field(default_factory=dict)
    _transient: dict[str, int] = field(default_factory=dict)
    _progress: dict[str, str] = field(default_factory=dict)
    _given_up: set[str] = field(default_factory=set)
    tried: dict[tuple[str, str, str], int] = field(default_factory=dict)
    last: dict[str, StepFailure] = field(default_factory=dict)

    def remember(
        self,
        failure: StepFailure,
        before: WorldState,
        after: WorldState,
        needs: Iterable[Condition],
        attempts: int = 3,
    ) -> bool:
        """Keep a failure, with what its action needs as that was before it and is now.

        Returns:
            Whether the same action should simply be tried again, after a while: the failure was
            a passing one, and ``attempts`` are not used up.
        """
        action, error = failure.action, failure.error
        self.last.pop(action, None)  # the newest failure comes last
        self.last[action] = failure
        kind = (action, str(error.failure_class), error.name)
        self.tried[kind] = self.tried.get(kind, 0) + 1
        endless = self.tried[kind] >= MOST_FAILURES
        if error.failure_class is FailureClass.TRANSIENT:
            self._transient[action] = self._transient.get(action, 0) + 1
            if self._transient[action] < attempts:
                return True
            self._given_up.add(action)
            return False
        if error.failure_class is FailureClass.INTERRUPTED:
            earlier = self._progress.get(action)
            self._progress[action] = error.progress
            if earlier != error.progress:
                return False
        if endless:
            self._given_up.add(action)
        needs = tuple(needs)
        now = situation(after, needs)
        if now == situation(before, needs):
            self._situations[action] = now
        return False

    def excluded(self, world: WorldState, needs: Mapping[str, Iterable[Condition]]) -> list[str]:
        """Actions that failed and for which nothing they need has changed since."""
        unchanged = {
            action
            for action, then in self._situations.items()
            if situation(world, needs.get(action, ())) == then
        }
        return sorted(unchanged | self._given_up)

    def succeeded(self, action: str) -> None:
        """Forget that an action failed: it is not what is in the way any more."""
        self.last.pop(action, None)
        self._situations.pop(action, None)
        self._given_up.discard(action)

    def unauthenticated(self) -> list[str]:
        """Actions that failed for want of something only a person can supply."""
        return [
            action
            for action, failure in self.last.items()
            if isinstance(failure.error, Unauthenticated)
        ]

    def forget(self, actions: Iterable[str]) -> None:
        """Let these actions be tried again; that they were tried stays known."""
        for action in actions:
            self.succeeded(action)

    def all_tried(self) -> tuple[Tried, ...]:
        """What failed in this run, how and how often; for the history."""
        return tuple(
            Tried(action=action, failure_class=failure_class, name=name, times=times)
            for (action, failure_class, name), times in self.tried.items()
        )

    def attempts(self, action: str) -> int:
        """How often the action failed for a passing reason in this run."""
        return self._transient.get(action, 0)


def situation(world: WorldState, needs: Iterable[Condition]) -> str:
    """A digest of whether each of the conditions holds, does not hold, or is unknown."""
    lines = sorted({f"{condition}: {_standing(world, condition)}" for condition in needs})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _standing(world: WorldState, condition: Condition) -> str:
    if world.get(condition.fact, UNKNOWN) is UNKNOWN:
        return "unknown"
    return "holds" if world.holds(condition) else "does not hold"
