"""Before planning anew: is the rest of the plan still good?"""

from collections.abc import Collection, Iterable

from agents.planning.facts import Conditions, World, holds, pairs, value_after
from agents.planning.result import PlanResult, Step

__all__ = ["still_valid"]


def still_valid(
    plan: PlanResult | Iterable[Step],
    world: World,
    *,
    done: Collection[str] = (),
    goal: Conditions | None = None,
) -> bool:
    """Whether the remaining steps still lead from a world to the goal. Takes microseconds.

    Args:
        plan: The answer that is being carried out, or its remaining steps.
        world: What is true now.
        done: Ids of the steps that are finished.
        goal: What must hold in the end; by default the goal of the answer. Of bare steps
            without a goal only the needs are checked.
    """
    if isinstance(plan, PlanResult):
        if not plan:
            return False
        steps: Iterable[Step] = plan.steps
        wanted = plan.goal
    else:
        steps, wanted = plan, ()
    if goal is not None:
        wanted = pairs(goal, "conditions")
    changed: dict[str, object] = {}
    for step in steps:
        if step.id in done:
            continue
        for fact, value in step.needs:
            if not holds(changed.get(fact, world.get(fact, False)), value):
                return False
        for fact, value in step.effect:
            changed[fact] = value_after(changed.get(fact, world.get(fact, False)), value)
    return all(holds(changed.get(f, world.get(f, False)), value) for f, value in wanted)
