"""The goal: a classifier that tells cat breeds apart."""

from agents.declare.actions import Goal
from goals.parameters import training_parameters
from goals.world import F

__all__ = ["trained_classifier"]

trained_classifier = Goal(
    "trained_classifier",
    "A breed classifier through the same loop, durable, tidy and documented",
    lambda _: (F.classifier_trained, F.volume_committed, F.checkpoints_pruned, F.documented),
    training_parameters("classifier"),
)
