"""A small world with a command line of its own: facts are files, an action waits for a file."""

import functools
import os
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from agents.cli.main import Composition, invoke
from agents.declare.actions import Context, Goal, action, sensor
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Reading, facts
from agents.declare.outcome import Outcome
from agents.errors import Interrupted
from agents.mcp.launch import launch
from agents.mcp.server import make_server
from agents.mcp.tools import Toolkit

PROGRAM = (sys.executable, str(Path(__file__)))


class Kitchen(BaseModel):
    hot: bool = Field(description="the water is hot")
    tea: bool = Field(description="tea is served")
    cake: bool = Field(description="there is cake")
    moon: bool = Field(description="the moon is made of cheese")


class Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    room: Path = Field(Path(os.environ.get("KITCHEN", ".")), description="where the facts are")
    sugar: int = Field(0, ge=0, description="spoons")


F = facts(Kitchen)


def seen(fact):
    @sensor(fact)
    def look(context: Context) -> Reading:
        path = context.params.room / fact.name
        return Reading(path.exists(), f"{fact.name} {'exists' if path.exists() else 'missing'}")

    return look


@action(effect=F.hot, seconds=5)
def boil(context: Context) -> Outcome:
    """Boil, as long as it takes."""
    while not (context.params.room / "gas").exists():
        if context.cancelled.wait(0.02):
            raise Interrupted("the kettle was taken off")
    (context.params.room / "hot").touch()
    return Outcome(summary="boiled")


@action(needs=F.hot, effect=F.tea, seconds=2)
def brew(context: Context) -> Outcome:
    """Brew."""
    (context.params.room / "tea").touch()
    return Outcome(summary="brewed")


@action(effect=F.cake, seconds=1, usd=3.0)
def buy_cake(context: Context) -> Outcome:
    """Buy a cake."""
    (context.params.room / "cake").touch()
    return Outcome(summary="bought")


def kitchen() -> Catalogue:
    goals = (
        Goal("served", "Tea is served", lambda _: F.tea, Parameters),
        Goal("party", "Tea and cake", lambda _: (F.tea, F.cake), Parameters),
        Goal("dream", "A moon of cheese", lambda _: F.moon, Parameters),
    )
    return Catalogue(F, tuple(map(seen, F.values())), (boil, brew, buy_cake), goals)


def toolkit(state: Path) -> Toolkit:
    start = functools.partial(launch, program=PROGRAM)
    return Toolkit(kitchen, state, start)


def main() -> int:
    if sys.argv[1:2] == ["mcp"]:
        make_server(toolkit(Path(sys.argv[2]))).run()
        return 0
    return invoke(Composition(kitchen))


if __name__ == "__main__":
    sys.exit(main())
