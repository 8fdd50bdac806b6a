"""The goals of our own two models."""

from goals.best_dit import best_dit
from goals.documented import documented
from goals.trained_classifier import trained_classifier
from goals.trained_dit import trained_dit

__all__ = ["GOALS"]

GOALS = (trained_dit, trained_classifier, best_dit, documented)
