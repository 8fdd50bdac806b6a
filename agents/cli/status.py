"""``status``: what is true now."""

from typing import Any

import click

from agents.cli.output import emit, json_option, paint
from agents.cli.words import catalogue_of, request
from agents.declare.facts import UNKNOWN, json_value, show_value
from agents.run.observe import observe

__all__ = ["status_command"]


@click.command("status")
@click.argument("words", nargs=-1, metavar="[goal=G] [key=value]…")
@json_option
@click.pass_context
def status_command(context: click.Context, words: tuple[str, ...], as_json: bool) -> None:
    """What is true now.

    Observes the facts that matter to a goal, by default the first one, and changes nothing.
    """
    first = next(iter(catalogue_of(context).goals))
    asked = request(context, words, default_goal=first)
    facts = asked.catalogue.relevant(asked.goal, asked.params)
    world = observe(asked.catalogue, facts, asked.looking())
    wanted = asked.goal.conditions(asked.params)
    data: dict[str, Any] = {
        "goal": asked.goal.name,
        "holds": all(world.holds(each) for each in wanted),
        "state": str(asked.state),
        "facts": [
            {"name": fact, "value": json_value(reading.value), "evidence": reading.evidence}
            for fact, reading in world.readings.items()
        ],
    }

    def text() -> str:
        width = max(len(each["name"]) for each in data["facts"])
        lines = []
        for fact, reading in world.readings.items():
            mark = _mark(reading.value)
            value = show_value(reading.value)
            lines.append(
                f"  {mark} {fact:<{width}}  {value:<10} {paint(reading.evidence, dim=True)}"
            )
        verdict = "holds" if data["holds"] else "does not hold yet"
        return "\n".join([*lines, "", f"{asked.goal.name} {verdict}"])

    emit("status", data, text, json_wanted=as_json)


def _mark(value: object) -> str:
    if value is UNKNOWN:
        return paint("?", "cyan")
    if isinstance(value, bool):
        return paint("✓", "green") if value else paint("✗", "red")
    return "·"
