"""Before planning anew: is the rest of the plan still good?"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from agents.planning.result import PlanResult, Status, Step
from agents.planning.values import Conditions, World, apply_effect, holds, pairs, value_after

__all__ = ["rest_of", "still_valid"]


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


def rest_of(plan: PlanResult, world: World, done: Collection[str]) -> PlanResult | None:
    """What is left of a plan as a plan of its own; None when it no longer leads to the goal.

    The rest of an optimal plan is optimal as long as the world is as the plan foresaw it; else
    nothing is known of its cost but that it is not negative.
    """
    if not still_valid(plan, world, done=done):
        return None
    left = [step for step in plan.steps if step.id not in done]
    stages: dict[str, int] = {}
    steps = []
    for index, step in enumerate(left):
        after = tuple(each for each in step.after if each not in done)
        stages[step.id] = 1 + max((stages[each] for each in after), default=-1)
        steps.append(replace(step, index=index, after=after, stage=stages[step.id]))
    foreseen: dict[str, object] = dict(plan.world)
    for step in plan.steps:
        if step.id in done:
            foreseen = apply_effect(foreseen, step.effect)
    now = {fact: world.get(fact, False) for fact in foreseen}
    cost = sum(step.cost for step in left)
    proved = plan.status is Status.OPTIMAL and all(
        holds(now[fact], value) for fact, value in foreseen.items()
    )
    return replace(
        plan,
        status=Status.OPTIMAL if proved else Status.BOUNDED,
        cost=cost,
        lower_bound=cost if proved else 0.0,
        seconds=sum(step.seconds for step in left),
        usd=sum(step.usd for step in left),
        steps=tuple(steps),
        edges={pair: why for pair, why in plan.edges.items() if not set(pair) & set(done)},
        world=tuple(sorted(now.items())),
    )
