"""What is asked of a catalogue: a goal, its parameters, and where the memory of it is."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agents.declare.actions import Context, Goal, Grounded
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Condition, WorldState
from agents.ledger.events import Event
from agents.ledger.log import Log
from agents.ledger.store import Ledger
from agents.money.estimates import Estimates, estimates_from
from agents.run.identity import Request, request_of
from agents.run.observe import observe
from agents.run.recall import unfinished

__all__ = ["LEDGER_NAME", "Question", "read_ledger"]

LEDGER_NAME = "ledger.db"


def read_ledger(state: Path) -> list[Event]:
    """Every event of the ledger in a state directory; nothing is made when there is none."""
    with Ledger(state / LEDGER_NAME, readonly=True) as ledger:
        return ledger.events()


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
        log: What was read of the ledger; questions in one state directory may share it.
    """

    catalogue: Catalogue
    goal: Goal
    params: BaseModel
    state: Path
    max_cost: float | None = None
    plan_digest: str | None = None
    wait: float = 0.0
    log: Log = field(default_factory=Log, compare=False, repr=False)

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

    @cached_property
    def past(self) -> list[Event]:
        """The ledger as it was when it was first looked into."""
        with self.ledger(readonly=True) as ledger:
            return ledger.events()

    def ledger(self, *, readonly: bool = False) -> Ledger:
        """The ledger of the state directory; what was read of it before is not parsed again."""
        return Ledger(self.ledger_path, readonly=readonly, log=self.log)

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

    def estimates(self, events: list[Event] | None = None) -> Estimates:
        """What is known about durations and prices now."""
        past = self.past if events is None else events
        return estimates_from(past, self.catalogue.rates(self.state))

    def unfinished(self, events: list[Event] | None = None) -> list[str]:
        """Actions that earlier runs for the same *what* began, and whose outcome is not known."""
        begun = unfinished(self.past if events is None else events, self.request)
        return [name for name in begun if name in self.catalogue.actions]
