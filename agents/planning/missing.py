"""What is missing: the smallest set of assumptions under which the goal can be reached.

The problem is planned again with actions that assume a condition at the very beginning. They
are so expensive that the plan uses as few as it can, and dearer where some action supplies the
condition, so that the answer names the roots of the trouble and not the goal itself.
"""

from collections.abc import Iterable
from numbers import Real

from agents.planning.compile import reach
from agents.planning.limits import Budget, Limits
from agents.planning.operator_index import Operators
from agents.planning.operators import Operator
from agents.planning.result import Missing, Status
from agents.planning.solve import solve
from agents.planning.values import (
    AtLeast,
    Below,
    Condition,
    World,
    compatible,
    holds,
    value_after,
)

__all__ = ["missing_facts", "supplied"]

_ASSUMING = "(assuming)"
_ATTEMPT = Limits(seconds=1.0, expansions=2_000)


def missing_facts(
    start: World, goal: tuple[Condition, ...], catalogue: Operators, budget: Budget
) -> tuple[Missing, ...]:
    """The conditions that, supplied at the start, make an unreachable goal reachable.

    No proper subset of them does. Those that no action supplies come before others.

    Args:
        start: The world.
        goal: What cannot be reached from it.
        catalogue: The actions.
        budget: Where the time is booked.
    """
    question = _Question(start, goal, catalogue)
    assumed, proved = question.assumed()
    if not proved:
        assumed = question.without_surplus(assumed)
    budget.stage_done("missing facts")
    return tuple(Missing(*c, question.needed_by(c)) for c in assumed)


def supplied(start: World, conditions: Iterable[Condition]) -> dict[str, object]:
    """The world in which these conditions hold at the start.

    An unknown number becomes the least one that is asked for.
    """
    world = dict(start)
    # Lower bounds first: they make a number of what is unknown, and a number keeps both.
    for fact, value in sorted(conditions, key=lambda c: isinstance(c[1], Below)):
        if isinstance(value, AtLeast) and not isinstance(world.get(fact, False), Real):
            world[fact] = value.bound
        else:
            world[fact] = value_after(world.get(fact, False), value)
    return world


class _Question:
    def __init__(self, start: World, goal: tuple[Condition, ...], catalogue: Operators) -> None:
        self.start = start
        self.goal = goal
        self.catalogue = catalogue
        relevant, self.reached = reach(start, goal, catalogue)
        self.actions = [catalogue.actions[position] for position in relevant]

    def assumed(self) -> tuple[list[Condition], bool]:
        """What the cheapest plan with assumptions assumes, and whether that plan is proved."""
        wanted = [*self.goal, *(c for action in self.actions for c in action.needs)]
        false = [c for c in dict.fromkeys(wanted) if not holds(self.start.get(c[0], False), c[1])]
        candidates = [c for c in false if c not in self.reached] or false
        price = 1 + sum(int(action.cost) + 1 for action in self.actions) * 1000
        assume = {f"{_ASSUMING} {number}": c for number, c in enumerate(candidates)}
        by_fact: dict[str, list[tuple[str, object]]] = {}
        for name, (fact, value) in assume.items():
            by_fact.setdefault(fact, []).append((name, value))
        extended = [
            _action(
                name,
                ((_ASSUMING, True), *_excluded(c[1], by_fact[c[0]])),
                (c, (name, True)),
                price * self._tier(c, len(candidates)),
            )
            for name, c in assume.items()
        ]
        extended.append(_action(_ASSUMING, (), ((_ASSUMING, False),), 0))
        extended.extend(
            _action(a.name, (*a.needs, (_ASSUMING, False)), a.effect, a.cost) for a in self.actions
        )
        world = {**self.start, _ASSUMING: True}
        goal = (*self.goal, (_ASSUMING, False))
        result = solve(world, goal, Operators(tuple(extended)), Budget(_ATTEMPT))
        if not result:
            return [c for c in self.goal if c in false], False
        used = [assume[step.action] for step in result.steps if step.action in assume]
        return used, result.status is Status.OPTIMAL

    def _tier(self, condition: Condition, count: int) -> int:
        """A condition nothing supplies is the likeliest to be missing; the goal is the last."""
        if not self.catalogue.suppliers(condition):
            return 1
        return (count + 1) ** (2 if condition in self.goal else 1)

    def without_surplus(self, assumed: list[Condition]) -> list[Condition]:
        """Leave out what is found not to be needed."""
        for condition in list(assumed):
            rest = [c for c in assumed if c != condition]
            if solve(supplied(self.start, rest), self.goal, self.catalogue, Budget(_ATTEMPT)):
                assumed = rest
        return assumed

    def needed_by(self, condition: Condition) -> tuple[str, ...]:
        """The actions that need a condition, and `goal`."""
        names = [action.name for action in self.actions if condition in action.needs]
        return (*names, *(["goal"] if condition in self.goal else []))


def _excluded(value: object, others: list[tuple[str, object]]) -> list[Condition]:
    """That nothing is assumed of the same fact which cannot be true at the same time."""
    return [(name, False) for name, wanted in others if not compatible(value, wanted)]


def _action(
    name: str, needs: tuple[Condition, ...], effect: tuple[Condition, ...], cost: float
) -> Operator:
    return Operator(name, needs, effect, cost, seconds=0.0, usd=0.0)
