"""Planning for one goal of a catalogue, from what was observed."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from agents.declare.actions import Goal, Grounded
from agents.declare.facts import UNKNOWN, Condition, WorldState, statements
from agents.money.estimates import Estimates
from agents.money.standing import Standing
from agents.planning import AtLeast, Below, Limits, PlanResult, plan, rest_of
from agents.planning.values import apply_effect
from agents.run.question import Question

__all__ = ["Deliberation", "continued", "deliberate"]


@dataclass(frozen=True)
class Deliberation:
    """One answer of the planner, with what it was asked.

    Attributes:
        question: What was asked.
        world: The readings it started from.
        result: What the planner answered.
        grounded: The actions it could choose from, by name.
        excluded: Actions left out because they failed with nothing changed since.
        money: How the accounts stand that its steps are booked on.
    """

    question: Question
    world: WorldState
    result: PlanResult
    grounded: dict[str, Grounded] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    money: tuple[Standing, ...] = ()

    @property
    def goal(self) -> Goal:
        """What should hold."""
        return self.question.goal

    @property
    def digest(self) -> str:
        """What an approval is bound to: the steps, and all that they are done with."""
        both = f"{self.result.digest}\n{self.question.request.digest}"
        return hashlib.sha256(both.encode()).hexdigest()

    def actions(self) -> list[Grounded]:
        """The action of each step, in a valid order."""
        return [self.grounded[step.action] for step in self.result.steps]

    def needed(self) -> list[Grounded]:
        """The actions of the steps that are known to be needed.

        What another one makes true may be so already: nobody could look yet.
        """
        seen = {fact for fact, value in self.world.items() if value is not UNKNOWN}
        needed = [step for step in self.result.steps if {fact for fact, _ in step.why} & seen]
        return [self.grounded[step.action] for step in needed]

    @property
    def asking(self) -> list[str]:
        """Actions that were declared to need a person who agrees to them."""
        declared, names = self.question.catalogue.actions, [s.action for s in self.result.steps]
        return [name for name in names if name in declared and declared[name].approval]

    @property
    def unpriced(self) -> list[str]:
        """Actions of which nobody knows the price, where no cap was given that forbids them."""
        if self.question.max_cost is not None:
            return []
        return [each.name for each in self.actions() if each.price is None]

    def will_be(self) -> dict[str, object]:
        """Fact → value after the plan, for the facts the plan changes."""
        after: dict[str, object] = {}
        for step in self.result.steps:
            after.update(dict(step.effect))
        return {fact: value for fact, value in after.items() if self.world.get(fact) != value}


def deliberate(
    question: Question,
    world: WorldState,
    *,
    excluded: Collection[str] = (),
    max_cost: float | None = None,
    limits: Limits | None = None,
    estimates: Estimates | None = None,
) -> Deliberation:
    """The cheapest plan from ``world`` to the goal.

    Args:
        question: The goal, and the actions to choose from.
        world: What was observed.
        excluded: Names of actions that must not be used.
        max_cost: The most dollars the plan may cost.
        limits: Time and expansions the search may take.
        estimates: What is known about durations and prices; by default nothing is.
    """
    known = estimates or Estimates()
    grounded = {name: known.applied(each) for name, each in question.declared.items()}
    for fact, value in world.items():
        sensor = question.catalogue.sensors.get(fact)
        if value is UNKNOWN and sensor is not None and sensor.hope is not None:
            observation = sensor.observation()
            grounded[observation.name] = observation
    usable = [each for name, each in grounded.items() if name not in excluded]
    options: dict[str, Any] = {} if limits is None else {"limits": limits}
    start = _planned_from(world, usable, question.wants)
    result = plan(start, question.wants, usable, max_usd=max_cost, **options)
    return Deliberation(question, world, result, grounded, frozenset(excluded))


def continued(
    last: Deliberation,
    world: WorldState,
    verified: Collection[str],
    *,
    excluded: Collection[str] = (),
    max_cost: float | None = None,
) -> Deliberation | None:
    """What is left of a plan, when the world is exactly as that plan foresaw it; None otherwise.

    Args:
        last: The plan.
        world: What was observed since.
        verified: The ids of its steps that were done.
        excluded: Names of actions that must not be used.
        max_cost: The most dollars that what is left may cost.
    """
    foreseen: dict[str, object] = dict(last.world)
    for step in last.result.steps:
        if step.id in verified:
            foreseen = apply_effect(foreseen, step.effect)
    if statements(foreseen) != statements(world):
        return None
    left = rest_of(last.result, world, verified)
    if left is None or (max_cost is not None and left.usd > max_cost):
        return None
    if {step.action for step in left.steps} & set(excluded):
        return None
    return replace(last, world=world, result=left, excluded=frozenset(excluded))


def _planned_from(
    world: WorldState, actions: Collection[Grounded], wants: Collection[Condition]
) -> dict[str, object]:
    """The values to plan from, with numbers reduced to the thresholds they reach.

    Free space changes with every second; a plan, its digest and an approval of it change only
    when a threshold is crossed that something asks for.
    """
    bounds: dict[str, set[float]] = {}
    exact: set[str] = set()
    for fact, value in [
        *wants,
        *(pair for each in actions for pair in (*each.needs, *each.effect)),
    ]:
        if isinstance(value, AtLeast | Below):
            bounds.setdefault(fact, set()).add(value.bound)
        else:
            exact.add(fact)
    reduced = dict(world)
    for fact, thresholds in bounds.items():
        value = reduced.get(fact)
        if fact not in exact and isinstance(value, int | float) and not isinstance(value, bool):
            reached = [each for each in thresholds if each <= value]
            reduced[fact] = max(reached, default=min(thresholds) - 1)
    return reduced
