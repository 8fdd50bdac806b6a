"""`plan`: the cheapest way to make a goal true, and honest about every answer."""

import threading
from collections.abc import Iterable

from agents.errors import UsageError
from agents.planning.build import no_plan
from agents.planning.limits import Budget, Limits
from agents.planning.missing import missing_facts
from agents.planning.operator_index import Operators, operators_of
from agents.planning.operators import goal_pairs
from agents.planning.result import PlanResult, Status
from agents.planning.solve import solve
from agents.planning.values import Condition, Conditions, World

__all__ = ["plan"]


def plan(
    start: World,
    goal: Conditions,
    actions: Iterable[object],
    *,
    max_usd: float | None = None,
    limits: Limits = Limits(),  # noqa: B008 - immutable
    cancel: threading.Event | None = None,
) -> PlanResult:
    """The cheapest plan that leads from a world to a goal.

    Args:
        start: Fact -> value. An absent fact is `False`; of an `UNKNOWN` one no condition holds
            until an action sets it.
        goal: The conditions that should hold in the end.
        actions: Objects or mappings with `name`, `needs`, `effect`, `cost`, and optionally
            `seconds`, `usd` and `resources`. A `Operators`, made once by `operators_of`, spares
            looking at each of very many declarations again.
        max_usd: No plan may cost more money than this.
        limits: What the search may use.
        cancel: Setting it ends the search; what was found so far is the answer.

    Returns:
        Always an answer; see `Status`. Of equally cheap plans the one with fewer actions, then
        the one whose actions need more, then the one declared first.

    Raises:
        UsageError: For a bad declaration, naming it.

    >>> plan({}, {"tea": True}, [
    ...     {"name": "boil", "needs": {}, "effect": {"hot": True}, "cost": 3},
    ...     {"name": "brew", "needs": {"hot": True}, "effect": {"tea": True}, "cost": 1},
    ... ]).cost
    4.0
    """
    conditions, catalogue = goal_pairs(goal), operators_of(actions)
    if max_usd is not None and not max_usd >= 0:
        raise UsageError(f"max_usd is {max_usd!r}; it must be a number that is not negative")
    return _answer(start, conditions, catalogue, Budget(limits, cancel), max_usd)


def _answer(
    start: World,
    conditions: tuple[Condition, ...],
    catalogue: Operators,
    budget: Budget,
    max_usd: float | None,
) -> PlanResult:
    """A plan, or what is missing for one."""
    result = solve(start, conditions, catalogue, budget, max_usd)
    if result.status is not Status.UNREACHABLE:
        return result
    missing = missing_facts(start, conditions, catalogue, budget)
    return no_plan(result.status, conditions, result.stats, missing=missing)
