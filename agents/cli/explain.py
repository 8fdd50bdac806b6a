"""``explain NAME``: what needs it, what supplies it, what it costs, why it is or isn't there."""

import click

from agents import api
from agents.cli.output import duration, emit, json_option, money, paint
from agents.cli.words import catalogue_of, question
from agents.declare.facts import show_value
from agents.schemas.models import Brief, ExplainedAction, ExplainedFact, ExplainedGoal

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
    name = name.removeprefix("goal=")
    default = name if name in catalogue.goals else next(iter(catalogue.goals))
    data = api.explain(name, question(context, words, default_goal=default))
    emit("explain", data, lambda: _text(data), json_wanted=as_json)


def _text(data: ExplainedGoal | ExplainedAction | ExplainedFact) -> str:
    if isinstance(data, ExplainedGoal):
        return _goal_text(data)
    return _action_text(data) if isinstance(data, ExplainedAction) else _fact_text(data)


def _goal_text(data: ExplainedGoal) -> str:
    lines = [paint(f"goal={data.name}", bold=True), f"  {data.summary}", ""]
    for fact in data.wants:
        lines += [f"  {line}" for line in _fact_text(fact).splitlines()]
    if data.missing:
        lines += ["", "  cannot be reached now; nothing supplies:"]
        for each in data.missing:
            needed_by = ", ".join(each.needed_by)
            lines.append(f"    {each.fact} = {show_value(each.value)}, needed by {needed_by}")
            lines.append(f"      seen: {each.evidence}")
    lines += _plan_lines("the plan", data.plan)
    lines += _plan_lines("the best other plan", data.runner_up)
    lines += _plan_lines("with what is missing, the plan would be", data.then)
    lines += ["", "  parameters:"]
    for row in data.parameters:
        lines.append(f"    {row.name + '=':<16} {row.type}; {row.description}".rstrip("; "))
    return "\n".join(lines)


def _plan_lines(title: str, plan: Brief | None) -> list[str]:
    if plan is None:
        return []
    return ["", f"  {title}: {', '.join(plan.steps) or 'nothing to do'} (cost {plan.cost:g})"]


def _action_text(data: ExplainedAction) -> str:
    cost = f"~{duration(data.cost.seconds)}, {money(data.cost.usd)}"
    verdict = "in the plan" if data.in_plan else "not in the plan"
    return "\n".join(
        [
            paint(data.name, bold=True) + f"  {cost}",
            f"  {data.summary}",
            f"  needs:  {', '.join(data.needs) or 'nothing'}",
            f"  effect: {', '.join(data.effect)}",
            f"  {verdict} of {data.goal}: {'; '.join(data.because)}",
        ]
    )


def _fact_text(data: ExplainedFact) -> str:
    lines = [
        paint(data.name, bold=True) + f"  {data.description}",
        f"  now {show_value(data.value)}: {data.evidence}",
    ]
    if data.will_be is not None:
        lines.append(f"  will be {show_value(data.will_be)} after the plan")
    lines.append(f"  supplied by: {', '.join(data.supplied_by) or 'nothing'}")
    lines.append(f"  needed by: {', '.join([*data.needed_by, *data.wanted_by]) or 'nothing'}")
    return "\n".join(lines)
