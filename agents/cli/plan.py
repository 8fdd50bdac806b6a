"""``plan``: observe, and show what would be done; nothing is changed."""

import shlex

import click

from agents.cli.output import emit, json_option, write
from agents.cli.plan_view import plan_data, plan_text
from agents.cli.words import request
from agents.errors import UsageError
from agents.planning import Status
from agents.run.decide import Deliberation, deliberate
from agents.run.observe import observe

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
    asked = request(context, words)
    facts = asked.catalogue.relevant(asked.goal, asked.params)
    world = observe(asked.catalogue, facts, asked.looking())
    deliberation = deliberate(
        asked.catalogue,
        asked.goal,
        asked.params,
        world,
        max_cost=asked.max_cost,
        estimates=asked.estimates(),
    )
    if graph:
        write(_drawing(deliberation, graph))
    else:
        emit(
            "plan",
            plan_data(deliberation),
            lambda: plan_text(deliberation, shlex.join(words)),
            json_wanted=as_json,
        )
    if deliberation.result:
        return 0
    over = deliberation.result.status is Status.OVER_BUDGET
    return EXIT_OVER_BUDGET if over else EXIT_UNREACHABLE


def _drawing(deliberation: Deliberation, kind: str) -> str:
    from agents.planning import graphs  # noqa: PLC0415 - only when a drawing is asked for

    draw = {"mermaid": graphs.to_mermaid, "dot": graphs.to_dot}[kind]
    return draw(deliberation.result)
