"""Approval: a person agrees to one plan, by its digest, up to one cap; it is used once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from agents.command import command
from agents.errors import NotApproved
from agents.ledger.events import Event, of_kind
from agents.ledger.past import Past, of_types
from agents.ledger.payloads import ApprovalUsed, PlanApproved, RunStarted, StepVerified

__all__ = ["Approval", "Approvals", "find_approval"]


_OF_APPROVALS = (PlanApproved.kind, ApprovalUsed.kind)


@dataclass(frozen=True)
class Approval:
    """What a person agreed to."""

    id: str
    digest: str
    max_cost: float | None
    actions: frozenset[str] = frozenset()


@dataclass
class Approvals:
    """What people agreed to for one run: actions, each to be done once, up to a cap.

    Attributes:
        run: The run's id.
        request: Digest of what it is asked for, with all values.
        events: The ledger, as it grows.
        record: Appends an event that says this.
        covered: Actions that somebody agreed to.
        limit: The most dollars that was agreed to.
    """

    run: str
    request: str
    events: Past
    record: Callable[[ApprovalUsed], object]
    covered: set[str] = field(default_factory=set)
    limit: float | None = None

    def carry_over(self, runs: Iterable[Sequence[Event]]) -> None:
        """What was agreed to and not done in the runs that this one continues, newest first.

        Only in those of the very same request: who agreed to it saw all its values.
        """
        same = [own for own in runs if _request(own[0]) == self.request]
        newest_first = [each for own in same for each in reversed(own)]
        for _, used in of_kind(newest_first, ApprovalUsed):
            self.covered |= set(used.actions)
            self.limit = used.max_cost if self.limit is None else self.limit
        self.covered -= {verified.action for _, verified in of_kind(newest_first, StepVerified)}

    def check(self, digest: str, asking: Iterable[str], cap: float | None) -> float | None:
        """The cap of a plan whose actions ``asking`` need a person.

        Raises:
            NotApproved: Nobody agreed to this plan, or to less money than ``cap``.
        """
        wanted = set(asking)
        if not wanted:
            return cap
        if not wanted <= self.covered:
            approval = find_approval(self.events, digest, self.run, wanted)
            self._within(approval.max_cost, cap)
            self._use(approval, wanted)
            self.limit = approval.max_cost
        self._within(self.limit, cap)
        return self.limit if cap is None else cap

    def whatever_they_cost(self, actions: Iterable[str]) -> set[str]:
        """Which of these, whose price nobody knows, a person agreed to for these very values.

        What is free before them is done before anybody is asked, so that the plan that was agreed
        to may be another one by now.
        """
        for action in set(actions) - self.covered:
            for approval, run in _unused(self.events).values():
                if action not in approval.actions or approval.max_cost is not None:
                    continue
                if any(
                    _request(each) == self.request
                    for each in self.events.of(RunStarted.kind, run=run)
                ):
                    self._use(approval, {action})
                    break
        return set(actions) & self.covered

    def _use(self, approval: Approval, wanted: set[str]) -> None:
        agreed = wanted | approval.actions
        used = ApprovalUsed(
            approval=approval.id,
            actions=tuple(sorted(agreed)),
            max_cost=approval.max_cost,
            digest=approval.digest,
        )
        self.record(used)
        self.covered |= agreed

    def _within(self, limit: float | None, cap: float | None) -> None:
        if limit is not None and cap is not None and cap > limit:
            raise NotApproved(
                f"the plan is approved for at most ${limit:.2f}, not for ${cap:.2f}",
                fix=f"max_cost={limit:g}, or {command(f'approve {self.run}')}",
            )


def _request(first: Event) -> str:
    began = first.payload if first.type == RunStarted.kind else None
    return began.request if isinstance(began, RunStarted) else ""


def find_approval(
    events: Sequence[Event], digest: str, run: str, actions: Iterable[str]
) -> Approval:
    """The approval of this very plan that was not used yet.

    Args:
        events: The ledger.
        digest: The plan's digest.
        run: The run that asks, for the message.
        actions: What needs an approval, for the message.

    Raises:
        NotApproved: There is none.
    """
    unused = [each for each, _ in _unused(events).values() if each.digest == digest]
    if not unused:
        raise NotApproved(
            f"a person must approve {', '.join(sorted(set(actions)))} in plan {digest[:12]}",
            fix=f"{command(f'show {run}')}\n{command(f'approve {run}')}\n"
            "then the same command again",
        )
    return unused[-1]


def _unused(events: Sequence[Event]) -> dict[str, tuple[Approval, str]]:
    """Approvals that were not used yet, each with the run it was asked by; the newest come last."""
    unused: dict[str, tuple[Approval, str]] = {}
    for event in of_types(events, *_OF_APPROVALS):
        said = event.payload
        if isinstance(said, PlanApproved):
            approval = Approval(event.id, said.digest, said.max_cost, frozenset(said.actions))
            unused[event.id] = approval, said.run
        elif isinstance(said, ApprovalUsed):
            unused.pop(said.approval, None)
    return unused
