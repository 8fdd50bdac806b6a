"""How an attempt ends that came to no end: the error by its name, and nothing held any more."""

import gc

import torch

from training.errors import TrainingError
from training.learn.learner import is_out_of_memory, out_of_memory
from training.script.attempt import Attempt

__all__ = ["as_training_error", "forget_frames", "free_memory"]


def as_training_error(attempt: Attempt, error: Exception) -> TrainingError:
    """What nobody expected, by a name."""
    if is_out_of_memory(error):
        return out_of_memory(attempt.execution.micro_batch or attempt.config.batch)
    return TrainingError(f"{type(error).__name__}: {error}", code="unexpected")


def forget_frames(error: BaseException | None) -> None:
    """Drop the tracebacks of an error: their frames keep the model and its memory alive."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def free_memory() -> None:
    """Give back what nobody holds."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
