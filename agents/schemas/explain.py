"""A goal, an action or a fact explained: what needs it, what supplies it, why it is planned."""

from collections.abc import Iterable

from agents.declare.actions import Grounded
from agents.declare.catalogue import Catalogue
from agents.declare.facts import UNKNOWN, Condition, json_value
from agents.planning import PlanResult, explain_missing, runner_up, why_not
from agents.run.decide import Deliberation
from agents.schemas.models import (
    ActionData,
    Brief,
    Cost,
    ExplainedAction,
    ExplainedFact,
    ExplainedGoal,
)
from agents.schemas.parameters import parameters_of
from agents.schemas.plan import missing_facts

__all__ = ["explained_action", "explained_fact", "explained_goal", "offered"]


def offered(catalogue: Catalogue) -> list[ActionData]:
    """Every action, described with the default parameters of the goals it is offered for."""
    merged: dict[str, ActionData] = {}
    for goal in catalogue.goals.values():
        for grounded in catalogue.grounded(catalogue.parameters(goal, {})):
            before = merged.get(grounded.name)
            now = _described(catalogue, grounded)
            if before is not None:
                lists = {
                    name: list(dict.fromkeys([*getattr(before, name), *getattr(now, name)]))
                    for name in ("needs", "effect", "supplies")
                }
                now = before.model_copy(update=lists)
            merged[grounded.name] = now
    return [merged[name] for name in catalogue.actions if name in merged]


def _described(catalogue: Catalogue, grounded: Grounded) -> ActionData:
    action = catalogue.actions[grounded.name]
    return ActionData(
        name=grounded.name,
        summary=action.summary,
        needs=list(map(str, grounded.needs)),
        effect=list(map(str, grounded.effect)),
        supplies=[each.fact for each in grounded.effect if each.value is not False],
        cost=Cost(seconds=grounded.seconds, usd=grounded.price),
        resources=dict(grounded.resources),
        recovery=action.recovery,
        approval=action.approval,
    )


def explained_goal(deliberation: Deliberation) -> ExplainedGoal:
    """Each fact the goal wants and how it can become true, or why it cannot."""
    goal, result = deliberation.goal, deliberation.result
    second = then = None
    if result:
        second = runner_up(*_asked(deliberation))
    else:
        then = explain_missing(*_asked(deliberation)).then
    wants = [explained_fact(deliberation, each.fact) for each in deliberation.question.wants]
    return ExplainedGoal(
        name=goal.name,
        summary=goal.summary,
        status=str(result.status),
        plan=_brief(result),
        runner_up=_brief(second),
        then=_brief(then),
        wants=wants,
        missing=missing_facts(deliberation),
        parameters=parameters_of(goal),
    )


def explained_action(deliberation: Deliberation, name: str) -> ExplainedAction:
    """Whether an action is in the plan, and why or why not."""
    catalogue = deliberation.question.catalogue
    described = next((each for each in offered(catalogue) if each.name == name), None)
    if described is None:
        described = _never_offered(catalogue, name)
    steps = [step for step in deliberation.result.steps if step.action == name]
    reasons = [f"{fact} for {consumer}" for step in steps for fact, consumer in step.why]
    forced = None
    if not steps:
        reasons = [_why_absent(name, deliberation)]
        if name in deliberation.grounded and deliberation.result:
            answer = why_not(*_asked(deliberation), name)
            forced = _brief(answer.forced)
            reasons.append(answer.text)
    return ExplainedAction(
        **dict(described),
        goal=deliberation.goal.name,
        in_plan=bool(steps),
        because=reasons,
        forced=forced,
    )


def _never_offered(catalogue: Catalogue, name: str) -> ActionData:
    """An action that no goal has with its default parameters."""
    action = catalogue.actions[name]
    return ActionData(
        name=name,
        summary=action.summary,
        needs=[],
        effect=[],
        supplies=[],
        cost=Cost(seconds=0.0, usd=None),
        resources=dict(action.resources),
        recovery=action.recovery,
        approval=action.approval,
    )


def explained_fact(deliberation: Deliberation, name: str) -> ExplainedFact:
    """What a fact is now, will be after the plan, and who has to do with it."""
    catalogue = deliberation.question.catalogue
    reading = deliberation.world.readings.get(name)
    actions, will_be = offered(catalogue), deliberation.will_be()
    return ExplainedFact(
        name=name,
        description=catalogue.facts[name].description,
        value=json_value(reading.value if reading else UNKNOWN),
        evidence=reading.evidence if reading else f"not looked at for {deliberation.goal.name}",
        will_be=json_value(will_be[name]) if name in will_be else None,
        supplied_by=[each.name for each in actions if name in each.supplies],
        needed_by=[each.name for each in actions if _mentions(name, each.needs)],
        wanted_by=[
            goal.name
            for goal in catalogue.goals.values()
            if any(each.fact == name for each in goal.conditions(catalogue.parameters(goal, {})))
        ],
    )


def _mentions(fact: str, texts: Iterable[str]) -> bool:
    return any(fact in text.split() for text in texts)


def _asked(
    deliberation: Deliberation,
) -> tuple[dict[str, object], tuple[Condition, ...], tuple[Grounded, ...]]:
    actions = tuple(deliberation.grounded.values())
    return dict(deliberation.world), deliberation.question.wants, actions


def _brief(result: PlanResult | None) -> Brief | None:
    if not result:
        return None
    steps = [step.action for step in result.steps]
    return Brief(cost=result.cost, seconds=result.seconds, usd=result.usd, steps=steps)


def _why_absent(name: str, deliberation: Deliberation) -> str:
    grounded = deliberation.grounded.get(name)
    if grounded is None:
        return f"it is not offered for {deliberation.goal.name} with these parameters"
    supplied = [each for each in grounded.effect if each.value is not False]
    already = [str(each) for each in supplied if deliberation.world.holds(each)]
    if len(already) == len(supplied):
        return f"what it supplies is true already: {', '.join(already)}"
    if not deliberation.result:
        return "there is no plan at all"
    return "the cheapest plan reaches the goal without it"
