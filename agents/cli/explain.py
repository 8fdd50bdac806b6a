"""``explain NAME``: what needs it, what supplies it, what it costs, why it is or isn't there."""

from collections.abc import Iterable
from typing import Any

import click

from agents.cli.listing import offered
from agents.cli.output import duration, emit, json_option, money, paint
from agents.cli.plan_view import plan_data
from agents.cli.words import Request, catalogue_of, request
from agents.command import command
from agents.declare.actions import Grounded
from agents.declare.catalogue import Catalogue
from agents.declare.facts import UNKNOWN, Condition, json_value, nearest, show_value
from agents.errors import UsageError
from agents.planning import PlanResult, explain_missing, runner_up, why_not
from agents.run.decide import Deliberation, deliberate
from agents.run.observe import observe

__all__ = ["explain_command"]


@click.command("explain")
@click.argument("name")
@click.argument("words", nargs=-1, metavar="[goal=G] [key=value]…")
@json_option
@click.pass_context
def explain_command(
    context: click.Context, name: str, words: tuple[str, ...], as_json: bool
) -> None:
    """A goal, action or fact: what needs it, what supplies it.

    For a goal: each fact it wants and how it can become true, or why it cannot. For an action or
    a fact: whether it is in the plan of goal=G now, and why.
    """
    catalogue = catalogue_of(context)
    if name.startswith("goal="):
        name = name.removeprefix("goal=")
    known = [*catalogue.goals, *catalogue.actions, *catalogue.facts]
    if name not in known:
        raise UsageError(
            f"nothing is called {name!r}{nearest(name, known)}",
            fix=command("goals, actions or facts"),
        )
    default = name if name in catalogue.goals else next(iter(catalogue.goals))
    asked = request(context, words, default_goal=default)
    facts = asked.catalogue.relevant(asked.goal, asked.params)
    world = observe(catalogue, facts, asked.looking())
    deliberation = deliberate(
        catalogue, asked.goal, asked.params, world, estimates=asked.estimates()
    )
    if name in catalogue.goals:
        data = _goal(asked, deliberation)
    elif name in catalogue.actions:
        data = _action(catalogue, name, deliberation)
    else:
        data = _fact(catalogue, name, deliberation)
    emit("explain", data, lambda: _text(data), json_wanted=as_json)


def _goal(asked: Request, deliberation: Deliberation) -> dict[str, Any]:
    plan = plan_data(deliberation)
    return {
        "kind": "goal",
        "name": asked.goal.name,
        "summary": asked.goal.summary,
        "status": plan["status"],
        **_alternatives(deliberation),
        "wants": [_fact(asked.catalogue, each.fact, deliberation) for each in deliberation.wants],
        "missing": plan["missing"],
        "parameters": {
            name: field.description or ""
            for name, field in asked.goal.parameters.model_fields.items()
            if not field.frozen
        },
    }


def _alternatives(deliberation: Deliberation) -> dict[str, Any]:
    """The plan, the best other one, and the one that would follow if what is missing were there."""
    question = _question(deliberation)
    result = deliberation.result
    if not result:
        return {"plan": None, "runner_up": None, "then": _brief(explain_missing(*question).then)}
    second = runner_up(*question)
    return {"plan": _brief(result), "runner_up": _brief(second), "then": None}


def _question(
    deliberation: Deliberation,
) -> tuple[dict[str, object], tuple[Condition, ...], tuple[Grounded, ...]]:
    actions = tuple(deliberation.grounded.values())
    return dict(deliberation.world), deliberation.wants, actions


def _brief(result: PlanResult) -> dict[str, Any] | None:
    if not result:
        return None
    steps = [step.action for step in result.steps]
    return {"cost": result.cost, "seconds": result.seconds, "usd": result.usd, "steps": steps}


def _action(catalogue: Catalogue, name: str, deliberation: Deliberation) -> dict[str, Any]:
    described = next((each for each in offered(catalogue) if each["name"] == name), {})
    steps = [step for step in deliberation.result.steps if step.action == name]
    reasons = [f"{fact} for {consumer}" for step in steps for fact, consumer in step.why]
    forced = None
    if not steps:
        reasons = [_why_absent(name, deliberation)]
        if name in deliberation.grounded and deliberation.result:
            answer = why_not(*_question(deliberation), name)
            forced = _brief(answer.forced)
            reasons.append(answer.text)
    return {
        "kind": "action",
        **described,
        "goal": deliberation.goal.name,
        "in_plan": bool(steps),
        "because": reasons,
        "forced": forced,
    }


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


def _fact(catalogue: Catalogue, name: str, deliberation: Deliberation) -> dict[str, Any]:
    reading = deliberation.world.readings.get(name)
    actions = offered(catalogue)
    will_be = deliberation.will_be()
    return {
        "kind": "fact",
        "name": name,
        "description": catalogue.facts[name].description,
        "value": json_value(reading.value if reading else UNKNOWN),
        "evidence": reading.evidence if reading else f"not looked at for {deliberation.goal.name}",
        "will_be": json_value(will_be[name]) if name in will_be else None,
        "supplied_by": [each["name"] for each in actions if name in each["supplies"]],
        "needed_by": [each["name"] for each in actions if _mentions(name, each["needs"])],
        "wanted_by": [
            goal.name
            for goal in catalogue.goals.values()
            if any(each.fact == name for each in goal.conditions(catalogue.parameters(goal, {})))
        ],
    }


def _mentions(fact: str, texts: Iterable[str]) -> bool:
    return any(fact in text.split() for text in texts)


def _text(data: dict[str, Any]) -> str:
    return {"goal": _goal_text, "action": _action_text, "fact": _fact_text}[data["kind"]](data)


def _goal_text(data: dict[str, Any]) -> str:
    lines = [paint(f"goal={data['name']}", bold=True), f"  {data['summary']}", ""]
    for fact in data["wants"]:
        lines += [f"  {line}" for line in _fact_text(fact).splitlines()]
    if data["missing"]:
        lines += ["", "  cannot be reached now; nothing supplies:"]
        for each in data["missing"]:
            lines.append(
                f"    {each['fact']} = {show_value(each['value'])}, "
                f"needed by {', '.join(each['needed_by'])}"
            )
            lines.append(f"      seen: {each['evidence']}")
    for title, key in (
        ("the plan", "plan"),
        ("the best other plan", "runner_up"),
        ("with what is missing, the plan would be", "then"),
    ):
        if data[key] is not None:
            steps = ", ".join(data[key]["steps"]) or "nothing to do"
            lines += ["", f"  {title}: {steps} (cost {data[key]['cost']:g})"]
    lines += ["", "  parameters:"]
    lines += [f"    {name + '=':<16} {text}" for name, text in data["parameters"].items()]
    return "\n".join(lines)


def _action_text(data: dict[str, Any]) -> str:
    cost = f"~{duration(data['cost']['seconds'])}, {money(data['cost']['usd'])}"
    verdict = "in the plan" if data["in_plan"] else "not in the plan"
    return "\n".join(
        [
            paint(data["name"], bold=True) + f"  {cost}",
            f"  {data['summary']}",
            f"  needs:  {', '.join(data['needs']) or 'nothing'}",
            f"  effect: {', '.join(data['effect'])}",
            f"  {verdict} of {data['goal']}: {'; '.join(data['because'])}",
        ]
    )


def _fact_text(data: dict[str, Any]) -> str:
    lines = [
        paint(data["name"], bold=True) + f"  {data['description']}",
        f"  now {show_value(data['value'])}: {data['evidence']}",
    ]
    if data["will_be"] is not None:
        lines.append(f"  will be {show_value(data['will_be'])} after the plan")
    lines.append(f"  supplied by: {', '.join(data['supplied_by']) or 'nothing'}")
    lines.append(f"  needed by: {', '.join([*data['needed_by'], *data['wanted_by']]) or 'nothing'}")
    return "\n".join(lines)
