"""The goal: a TinyDiT that draws cats."""

from agents.declare.actions import Goal
from agents.declare.triggers import on
from goals.parameters import training_parameters
from goals.world import F

__all__ = ["trained_dit"]

trained_dit = Goal(
    "trained_dit",
    "A diffusion transformer trained by flow matching, durable, tidy and documented",
    lambda _: (F.dit_trained, F.volume_committed, F.checkpoints_pruned, F.documented),
    training_parameters("dit"),
    triggers=(
        on("git.commit", paths="training/**"),
        on("webhook.received", where={"name": "retrain"}),
        on("retrain.requested"),
    ),
)
