"""``approve RUN``: a person agrees to the plan a run stopped at."""

from typing import Annotated

import click
from pydantic import BeforeValidator

from agents import api
from agents.cli.options import takes
from agents.cli.output import emit, json_option, money
from agents.declare.words import word
from agents.errors import UsageError
from agents.run.asking import dollars
from agents.run.options import RunOptions

__all__ = ["approve_command"]


def _dollars(text: str | None) -> float | None:
    try:
        return dollars(text)
    except UsageError as error:
        raise ValueError(error.message) from error


class ApproveOptions(RunOptions):
    """Which run's plan, and how much it may cost."""

    max_cost: Annotated[float | None, BeforeValidator(_dollars)] = word("USD", None, example="5")


@click.command("approve")
@takes(ApproveOptions)
@json_option
def approve_command(options: ApproveOptions, as_json: bool) -> None:
    """Agree to the plan that a run stopped at, up to a cap.

    RUN is an id, a unique beginning of one, or last. The approval holds for that very plan with all
    the values it was made for, once, and for at most max_cost= (by default the cap of the run, or
    what the plan may cost). Where nobody knows the price, it is for whatever it costs.
    """
    data = api.approve(options.state, options.run, options.max_cost)
    most = "whatever it costs" if data.max_cost is None else f"{money(data.max_cost)} at most"
    text = f"approved: plan {data.digest[:12]}, {most}, once; now the same run command again"
    emit("approve", data, lambda: text, json_wanted=as_json)
