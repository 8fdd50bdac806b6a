"""free-space: a recovery; old checkpoints make room for a training that has none."""

from actions.job import TrainingContext
from actions.making_room import make_room
from actions.training_cost import disk_mb
from agents.declare.actions import action
from agents.declare.outcome import Outcome
from goals.parameters import TrainingParameters
from goals.world import F

__all__ = ["free_space"]


@action(
    effect=lambda params: F.free_mb >= disk_mb(params),
    seconds=5,
    recovery=True,
    parameters=TrainingParameters,
    when=lambda params: params.compute == "local",
)
def free_space(context: TrainingContext) -> Outcome:
    """Make room by deleting all but the newest and the best checkpoint of every training."""
    return make_room(context, disk_mb(context.params))
