"""What is asked of a catalogue: a goal, its parameters, and where the memory of it is."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.declare.actions import Context, Goal, Grounded
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Condition, WorldState
from agents.ledger.past import Past
from agents.ledger.store import ClosedLedger, Ledger
from agents.money.estimates import Estimates, estimates_from
from agents.run.identity import Request, request_of
from agents.run.observe import observe
from agents.run.recall import unfinished

__all__ = ["LEDGER_NAME", "Question", "read_ledger"]

LEDGER_NAME = "ledger.db"


def read_ledger(state: Path) -> Past:
    """What the ledger in a state directory says; nothing is made when there is none."""
    return ClosedLedger(state / LEDGER_NAME).past


@dataclass(frozen=True)
class Question:
    """A goal for these parameters, in this state directory; what follows is worked out once.

    Attributes:
        catalogue: What can be done.
        goal: What should hold.
        params: The goal's parameters.
        state: The state directory.
        max_cost: The most dollars it may cost; None: no cap was given.
        plan_digest: When given, only this plan may be run.
        wait: Seconds to wait for a person when only a person can go on.
        notify: Where a person is told what matters; None: nowhere that was said here.
    """

    catalogue: Catalogue
    goal: Goal
    params: BaseModel
    state: Path
    max_cost: float | None = None
    plan_digest: str | None = None
    wait: float = 0.0
    notify: str | None = field(default=None, repr=False)

    @cached_property
    def request(self) -> Request:
        """What is asked for, by its identity."""
        return request_of(self.goal, self.params, self.state)

    @cached_property
    def wants(self) -> tuple[Condition, ...]:
        """The conditions of the goal."""
        return self.goal.conditions(self.params)

    @cached_property
    def relevant(self) -> tuple[str, ...]:
        """The facts that matter to the goal."""
        return self.catalogue.relevant(self.goal, self.params)

    @cached_property
    def declared(self) -> dict[str, Grounded]:
        """The actions that are offered, as they were declared."""
        return {each.name: each for each in self.catalogue.grounded(self.params)}

    @cached_property
    def ports(self) -> object:
        """What reaches the outside."""
        return self.catalogue.ports(self.params, self.state)

    @cached_property
    def ledger_path(self) -> Path:
        """The ledger of the state directory."""
        return self.state / LEDGER_NAME

    @property
    def past(self) -> Past:
        """What the ledger says."""
        return read_ledger(self.state)

    def ledger(self) -> Ledger:
        """The ledger of the state directory, to append to."""
        return Ledger(self.ledger_path)

    def anew(self, **changes: Any) -> "Question":
        """The same question with nothing looked at yet, and with these changes."""
        return replace(self, **changes)

    def context(self, **more: Any) -> Context:
        """What sensors and actions are given; ``more`` is what a step adds."""
        extras = {"history": lambda: self.past, **more}
        return Context(self.params, self.ports, self.state, **extras)

    def observe(self, context: Context) -> WorldState:
        """What is true now of the facts that matter."""
        return observe(self.catalogue, self.relevant, context)

    def holds(self, world: WorldState) -> bool:
        """Whether the goal is reached."""
        return all(world.holds(each) for each in self.wants)

    def estimates(self, past: Past | None = None) -> Estimates:
        """What is known about durations and prices now."""
        return estimates_from(self.past if past is None else past, self.catalogue.rates(self.state))

    def unfinished(self, past: Past | None = None) -> list[str]:
        """Actions that earlier runs for the same *what* began, and whose outcome is not known."""
        begun = unfinished(self.past if past is None else past, self.request)
        return [name for name in begun if name in self.catalogue.actions]
