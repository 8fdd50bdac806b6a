"""``goals``, ``actions`` and ``facts``: the catalogue."""

from typing import Any

import click

from agents.cli.output import duration, emit, json_option, money, paint
from agents.cli.words import catalogue_of
from agents.schemas.explain import offered
from agents.schemas.models import ActionData
from agents.schemas.parameters import parameters_of

__all__ = ["actions_command", "facts_command", "goals_command"]


@click.command("goals")
@json_option
@click.pass_context
def goals_command(context: click.Context, as_json: bool) -> None:
    """The goals and their parameters."""
    catalogue = catalogue_of(context)
    data = [
        {
            "name": goal.name,
            "summary": goal.summary,
            "wants": [str(each) for each in goal.conditions(catalogue.parameters(goal, {}))],
            "parameters": [each.model_dump(mode="json") for each in parameters_of(goal)],
            "triggers": [str(trigger) for trigger in goal.triggers],
        }
        for goal in catalogue.goals.values()
    ]
    emit("goals", data, lambda: "\n\n".join(map(_goal_text, data)), json_wanted=as_json)


@click.command("actions")
@json_option
@click.pass_context
def actions_command(context: click.Context, as_json: bool) -> None:
    """The actions: needs, effects, cost."""
    data = offered(catalogue_of(context))
    emit("actions", data, lambda: "\n\n".join(map(_action_text, data)), json_wanted=as_json)


@click.command("facts")
@json_option
@click.pass_context
def facts_command(context: click.Context, as_json: bool) -> None:
    """The facts the world is described with."""
    catalogue = catalogue_of(context)
    suppliers: dict[str, list[str]] = {}
    for action in offered(catalogue):
        for fact in action.supplies:
            suppliers.setdefault(fact, []).append(action.name)
    data: list[dict[str, Any]] = [
        {
            "name": name,
            "description": fact.description,
            "seen_by": "a sensor" if name in catalogue.sensors else "nothing",
            "supplied_by": suppliers.get(name, []),
        }
        for name, fact in catalogue.facts.items()
    ]
    width = max(len(each["name"]) for each in data)
    emit(
        "facts",
        data,
        lambda: "\n".join(
            f"{paint(each['name'].ljust(width), bold=True)}  {each['description']}"
            + (f"  [{', '.join(each['supplied_by'])}]" if each["supplied_by"] else "")
            for each in data
        ),
        json_wanted=as_json,
    )


def _goal_text(goal: dict[str, Any]) -> str:
    lines = [
        paint(f"goal={goal['name']}", bold=True),
        f"  {goal['summary']}",
        f"  wants: {', '.join(goal['wants'])}",
        *(f"  looked at when: {trigger}" for trigger in goal["triggers"]),
        "  parameters:",
    ]
    for each in goal["parameters"]:
        default = f" [{each['default']}]" if each["default"] not in (None, "") else ""
        lines.append(f"    {each['name'] + '=':<16} {each['description']}{default}")
    return "\n".join(lines)


def _action_text(action: ActionData) -> str:
    cost = f"~{duration(action.cost.seconds)}, {money(action.cost.usd)}"
    kind = "  (recovery)" if action.recovery else ""
    return "\n".join(
        [
            f"{paint(action.name, bold=True)}  {cost}{kind}",
            f"  {action.summary}",
            f"  needs:  {', '.join(action.needs) or 'nothing'}",
            f"  effect: {', '.join(action.effect)}",
        ]
    )
