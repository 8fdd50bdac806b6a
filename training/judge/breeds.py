"""How well a classifier names breeds: accuracy, calibration, and what it mixes up."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.judge.gates import accuracy_by_luck
from training.judge.held import Held
from training.judge.pictures import confusion_picture
from training.judge.quality import (
    calibrated,
    calibration_error,
    confusion_matrix,
    fitted_temperature,
)
from training.learn.config import TrainingConfig
from training.learn.task import Task

VALIDATION_BATCH = 256


@dataclass(frozen=True)
class BreedJudge:
    """Measures a BreedClassifier.

    Args:
        config: What was trained.
        classes: Number of breeds in the dataset.
        task: How it was trained.
    """

    config: TrainingConfig
    classes: int
    task: Task

    @torch.no_grad()
    def validate(self, model: nn.Module, held: Held) -> dict[str, float]:
        """Return loss, accuracies and calibration error on held-out photos and their mirrors."""
        scores = self._scores(model, held)
        chance = torch.bincount(held.labels.cpu(), minlength=self.classes).max() / len(held.labels)
        labels = held.labels.cpu()
        table = confusion_matrix(scores.argmax(1), labels, self.classes).double()
        present = table.sum(1) > 0
        return {
            "validation_loss": float(functional.cross_entropy(scores, labels)),
            "accuracy": float(table.trace() / table.sum()),
            "balanced_accuracy": float((table.diag()[present] / table.sum(1)[present]).mean()),
            "calibration_error": calibration_error(scores.softmax(1), labels),
            "calibration_error_scaled": calibration_error(calibrated(scores, labels), labels),
            "temperature": fitted_temperature(scores, labels),
            "chance": float(chance),
            "accuracy_by_luck": accuracy_by_luck(float(chance), len(labels)),
            "held_out": float(len(labels)),
        }

    def _scores(self, model: nn.Module, held: Held) -> Tensor:
        parts = [
            (model(part).float() + model(part.flip(2)).float()) / 2
            for part in torch.split(held.images, VALIDATION_BATCH)
        ]
        return torch.cat(parts).cpu()

    @torch.no_grad()
    def examples(self, model: nn.Module, held: Held) -> tuple[Tensor, dict[str, float]]:
        """Return the confusion matrix as a picture, and its worst mix-up."""
        predicted = self._scores(model, held).argmax(1)
        table = confusion_matrix(predicted, held.labels.cpu(), self.classes).double()
        share = table / table.sum(1, keepdim=True).clamp_min(1)
        wrong = float((share - share.diag().diag()).max())
        return confusion_picture(table, held.classes), {"worst_confusion": wrong}

    def judge(self, model: nn.Module, held: Held, seen: Held) -> Iterator[dict[str, float]]:
        """Give nothing: `validate` measures all there is."""
        del model, held, seen
        yield from ()
