"""What our actions touch, by names that every goal gives alike: who touches the same waits.

The names follow from the parameters alone, so that nobody is asked for them. Two that are called
differently and are one training in truth meet at the lock on its volume.
"""

from typing import TYPE_CHECKING

from agents.declare.actions import Context
from goals.placed import PlacedParameters

if TYPE_CHECKING:  # of our own models, which are no business of anybody else's training
    from goals.parameters import TrainingParameters

__all__ = ["DATASETS", "IMAGES", "RECORDS", "SWEEPS", "TRAININGS", "by_training", "while_training"]

DATASETS = "all data"
IMAGES = "all proofs"
RECORDS = "records"
SWEEPS = "all rankings"
TRAININGS = "this machine, by training"


def by_training(context: "Context[TrainingParameters]") -> tuple[str, ...]:
    """What belongs to the training that the parameters ask for."""
    params = context.params
    return (f"training {params.config()!r} of {params.dataset}",)


def while_training(params: PlacedParameters, *names: str) -> tuple[str, ...]:
    """These, and this machine when it is what trains: it has memory for one."""
    return (*names, TRAININGS) if params.compute == "local" else names
