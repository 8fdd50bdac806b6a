"""prepare_…_data: the data of a declared training is on the volume, under its digest."""

from dataclasses import dataclass

from actions.ports import ports_of
from actions.trained.job import NotYet, TrainedContext, data_of
from actions.trained.names import Names
from actions.trained.parameters import TrainedParameters
from agents.declare.actions import Cost
from agents.declare.facts import Condition, Facts, Reading
from agents.declare.outcome import Outcome
from training.declare.data import is_placed
from training.declare.training import Training

__all__ = ["Data"]


@dataclass(frozen=True)
class Data:
    """Brings the data of one training to the volume.

    Attributes:
        training: The declaration.
        facts: The facts of the catalogue.
    """

    training: Training
    facts: Facts

    def needs(self, _params: object) -> tuple[Condition, ...]:
        """Credentials."""
        return (self.facts.auth_valid == True,)  # noqa: E712

    def effect(self, _params: object) -> tuple[Condition, ...]:
        """The data is there."""
        return (self.facts[Names(self.training.name).fact("data")] == True,)  # noqa: E712

    def cost(self, params: TrainedParameters) -> Cost:
        """A moment here; nobody knows how much it is."""
        return Cost(5.0, 0.0, params.compute)

    def look(self, context: TrainedContext) -> Reading:
        """Whether it is there as it is now."""
        placed = data_of(context, self.training)
        if placed is None or isinstance(placed, NotYet):
            return Reading(False, "" if placed is None else placed.why)
        if not is_placed(ports_of(context).volume, placed):
            return Reading(False, f"{placed.label} is not on the volume as it is now")
        return Reading(True, f"{placed.label}: {placed.path}")

    def run(self, context: TrainedContext) -> Outcome:
        """Bring it there."""
        raise NotImplementedError
