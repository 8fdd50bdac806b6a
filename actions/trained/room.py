"""free_space: a recovery; checkpoints that are neither newest nor best make room."""

from actions.making_room import make_room
from actions.trained.job import TrainedContext
from actions.trained.parameters import TrainedParameters
from actions.trained.train import LEAST_MB
from agents.declare.actions import action
from agents.declare.outcome import Outcome
from goals.world import F

__all__ = ["free_space"]


def _is_here(params: TrainedParameters) -> bool:
    return params.compute == "local"


@action(
    effect=F.free_mb >= LEAST_MB,
    seconds=5,
    recovery=True,
    parameters=TrainedParameters,
    when=_is_here,
)
def free_space(context: TrainedContext) -> Outcome:
    """Make room by deleting all but the newest and the best checkpoint of every training."""
    return make_room(context, LEAST_MB)
