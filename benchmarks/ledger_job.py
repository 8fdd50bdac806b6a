"""A job for `benchmarks/ledger.py`: one fact that is never true, and one action that would help."""

from pydantic import BaseModel, Field

from agents.declare.actions import Context, Cost, Goal, action, sensor
from agents.declare.catalogue import Catalogue
from agents.declare.facts import Reading, facts
from agents.declare.outcome import Outcome
from agents.declare.triggers import on


class World(BaseModel):
    """What can be true here."""

    kept: bool = Field(description="the house is kept")


F = facts(World)


@sensor(F.kept)
def kept(_context: Context) -> Reading:
    """Never."""
    return Reading(False, "nobody keeps it")


@action(effect=F.kept, cost=lambda _: Cost(60, 0.5))
def keep(_context: Context) -> Outcome:
    """Keep it."""
    return Outcome(summary="kept")


CATALOGUE = Catalogue(
    F,
    (kept,),
    (keep,),
    (Goal("kept", "The house is kept", lambda _: (F.kept,), triggers=(on("door.opened"),)),),
)
