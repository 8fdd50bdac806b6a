"""``approve RUN``: a person agrees to the plan a run stopped at."""

import click

from agents import api
from agents.cli.output import emit, json_option, money
from agents.cli.words import parse_words, state_directory
from agents.errors import UsageError
from agents.run.asking import dollars

__all__ = ["approve_command"]

KEYS = ("max_cost", "state")


@click.command("approve")
@click.argument("run", default="last")
@click.argument("words", nargs=-1, metavar="[max_cost=USD] [state=DIR]")
@json_option
def approve_command(run: str, words: tuple[str, ...], as_json: bool) -> None:
    """Agree to the plan that a run stopped at, up to a cap.

    RUN is an id, a unique beginning of one, or last. The approval holds for that very plan with all
    the values it was made for, once, and for at most max_cost= (by default the cap of the run, or
    what the plan may cost).
    """
    if "=" in run:
        run, words = "last", (run, *words)
    given = parse_words(words)
    for key in given:
        if key not in KEYS:
            raise UsageError(f"approve takes {', '.join(KEYS)}, not {key}=")
    cap = dollars(given.get("max_cost"))
    data = api.approve(state_directory(given.get("state")), run, cap)
    text = (
        f"approved: plan {data.digest[:12]}, {money(data.max_cost)} at most, once; "
        "now the same run command again"
    )
    emit("approve", data, lambda: text, json_wanted=as_json)
