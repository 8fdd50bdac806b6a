"""What should be true: the world's facts, and one file per goal."""

from goals.best_dit import best_dit
from goals.documented import documented
from goals.trained_classifier import trained_classifier
from goals.trained_dit import trained_dit
from goals.world import F, World

__all__ = ["GOALS", "F", "World"]

GOALS = (trained_dit, trained_classifier, best_dit, documented)
