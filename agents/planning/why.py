"""Answers to why: why there is no plan, why not this action, and what the second-best plan is."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from agents.errors import UsageError
from agents.planning.build import no_plan
from agents.planning.limits import Budget, Limits
from agents.planning.missing import supplied
from agents.planning.operator_index import Operators, operators_of
from agents.planning.operators import Operator, goal_pairs
from agents.planning.planner import plan
from agents.planning.result import Missing, PlanResult, Status, Step
from agents.planning.solve import solve
from agents.planning.values import Condition, Conditions, World

__all__ = ["Explanation", "WhyNot", "explain_missing", "runner_up", "why_not"]

_USED = "(used)"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a goal cannot be reached.

    Attributes:
        missing: The smallest set of conditions that would have to be supplied, and who needs
            each; empty if the goal can be reached as it is.
        then: The plan that would follow.
    """

    missing: tuple[Missing, ...]
    then: PlanResult


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why an action is not in the plan.

    Attributes:
        action: Its name.
        best: The plan without being told to use it.
        forced: The cheapest plan that uses it.
        extra_cost: How much more that costs; infinite if no plan can use it.
        text: The same in a sentence.
    """

    action: str
    best: PlanResult
    forced: PlanResult
    extra_cost: float
    text: str


def explain_missing(
    start: World,
    goal: Conditions,
    actions: Iterable[object],
    *,
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> Explanation:
    """What is missing for a goal that cannot be reached, and the plan that would follow.

    Raises:
        UsageError: For a bad declaration, naming it.
    """
    catalogue = operators_of(actions)
    conditions = goal_pairs(goal)
    result = plan(start, conditions, catalogue, limits=limits)
    if not result.missing:
        return Explanation((), result)
    world = supplied(start, [(m.fact, m.value) for m in result.missing])
    return Explanation(result.missing, plan(world, conditions, catalogue, limits=limits))


def why_not(
    start: World,
    goal: Conditions,
    actions: Iterable[object],
    name: str,
    *,
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> WhyNot:
    """The cheapest plan that uses an action, next to the cheapest plan.

    Raises:
        UsageError: If there is no action of this name, or for a bad declaration.
    """
    catalogue = operators_of(actions)
    conditions = goal_pairs(goal)
    position = catalogue.position(name)
    if position is None:
        raise UsageError(f"there is no action {name!r}", fix="choose one of the actions given")
    best = plan(start, conditions, catalogue, limits=limits)
    if any(step.action == name for step in best.steps):
        return WhyNot(name, best, best, 0.0, f"{name} is in the plan")
    forced = _forced(start, conditions, catalogue, position, limits)
    return WhyNot(name, best, forced, *_difference(name, best, forced))


def _difference(name: str, best: PlanResult, forced: PlanResult) -> tuple[float, str]:
    if not forced:
        if forced.status is Status.LIMIT:
            return float("inf"), f"no plan with {name} was found before a limit was reached"
        wanted = ", ".join(f"{m.fact} = {m.value}" for m in forced.missing)
        return float("inf"), f"no plan can use {name}" + (f"; missing: {wanted}" if wanted else "")
    extra = forced.cost - best.cost
    if not best:
        return float("-inf"), f"only a plan with {name} was found"
    if extra > 0:
        return extra, f"the cheapest plan with {name} costs {extra:g} more"
    return extra, f"a plan with {name} costs the same; the tie went to fewer actions or needs"


def _forced(
    start: World,
    goal: tuple[Condition, ...],
    catalogue: Operators,
    position: int,
    limits: Limits,
) -> PlanResult:
    marked = list(catalogue.actions)
    action = marked[position]
    marked[position] = replace(action, effect=(*action.effect, (_USED, True)))
    marked_plan = plan(start, (*goal, (_USED, True)), tuple(marked), limits=limits)
    if not marked_plan:
        return replace(marked_plan, goal=goal)
    return replace(
        marked_plan, goal=goal, steps=tuple(_unmarked(step, action) for step in marked_plan.steps)
    )


def _unmarked(step: Step, action: Operator) -> Step:
    if step.action != action.name:
        return step
    why = tuple(pair for pair in step.why if pair[0] != _USED)
    return replace(step, effect=action.effect, why=why)


def runner_up(
    start: World,
    goal: Conditions,
    actions: Iterable[object],
    *,
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> PlanResult:
    """The cheapest plan that does without at least one action of the cheapest plan.

    Returns:
        An answer that is `UNREACHABLE` if every plan uses all of them.
    """
    catalogue = operators_of(actions)
    conditions = goal_pairs(goal)
    best = plan(start, conditions, catalogue, limits=limits)
    second = best
    for name in dict.fromkeys(step.action for step in best.steps):
        others = Operators(tuple(a for a in catalogue.actions if a.name != name))
        other = solve(start, conditions, others, Budget(limits))
        if second is best or _rank(other) < _rank(second):
            second = other
    if second is best:  # the empty plan has nothing to do without
        return no_plan(Status.UNREACHABLE, conditions, best.stats)
    return second


def _rank(result: PlanResult) -> tuple[float, int, int]:
    return result.cost, len(result.steps), -sum(len(step.needs) for step in result.steps)
