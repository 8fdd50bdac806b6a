"""``plan``: observe, and show what would be done; nothing is changed."""

import shlex

import click

from agents import api
from agents.cli.output import emit, json_option, write
from agents.cli.plan_view import plan_text
from agents.cli.words import question
from agents.declare.parameters import headline_of
from agents.errors import UsageError

__all__ = ["plan_command"]

EXIT_UNREACHABLE = 4
EXIT_OVER_BUDGET = 5


@click.command("plan")
@click.argument("words", nargs=-1, metavar="goal=G [key=value]…")
@click.option(
    "--graph",
    type=click.Choice(["mermaid", "dot"]),
    help="Print the plan as a graph instead.",
)
@json_option
@click.pass_context
def plan_command(
    context: click.Context, words: tuple[str, ...], graph: str | None, as_json: bool
) -> int:
    """Show the cheapest way to a goal, and change nothing.

    Facts: + will become true, = is true already (with the evidence), $ becomes true for money,
    ? unknown, - false and stays so.
    """
    if graph and as_json:
        raise UsageError("--graph and --json print different things; choose one")
    goal = question(context, words)
    if graph:
        data, drawing = api.drawn_plan(goal, graph)
        write(drawing)
    else:
        data, shown = api.plan(goal), headline_of(goal.params)
        emit("plan", data, lambda: plan_text(data, shown, shlex.join(words)), json_wanted=as_json)
    if data.cost is not None:
        return 0
    return EXIT_OVER_BUDGET if data.status == "over_budget" else EXIT_UNREACHABLE
