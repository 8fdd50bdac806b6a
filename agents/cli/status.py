"""``status``: what is true now."""

import click

from agents import api
from agents.cli.output import emit, json_option, paint
from agents.cli.words import catalogue_of, question
from agents.declare.facts import show_value
from agents.schemas.models import StatusData

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
    data = api.status(question(context, words, default_goal=first))
    emit("status", data, lambda: _text(data), json_wanted=as_json)


def _text(data: StatusData) -> str:
    width = max(len(each.name) for each in data.facts)
    lines = []
    for each in data.facts:
        value, evidence = show_value(each.value), paint(each.evidence, dim=True)
        lines.append(f"  {_mark(each.value)} {each.name:<{width}}  {value:<10} {evidence}")
    verdict = "holds" if data.holds else "does not hold yet"
    return "\n".join([*lines, "", f"{data.goal} {verdict}"])


def _mark(value: object) -> str:
    if value is None:
        return paint("?", "cyan")
    if isinstance(value, bool):
        return paint("✓", "green") if value else paint("✗", "red")
    return "·"
