"""The breed classifier, trained by the same loop."""

from typing import Any

import pytest
import torch

from training.judge.breeds import BreedJudge
from training.judge.gates import accuracy_by_luck, gates_of
from training.judge.held import Held
from training.learn.classifier import BreedClassifier, ClassifierTask
from training.learn.config import resolve
from training.store.weights import read_weights


def test_the_smoke_preset_tells_breeds_apart_on_cats_it_never_saw(bench: Any) -> None:
    directory = bench.make("breeds", model="classifier")
    result = bench.run(directory)
    assert result.passed
    (gate,) = [gate for gate in result.gates if gate.name == "better_than_chance"]
    assert gate.threshold > result.numbers["chance"]
    assert result.numbers["accuracy"] >= gate.threshold
    assert result.numbers["validation_loss"] < result.numbers["validation_first"]
    assert 0 <= result.numbers["calibration_error"] <= 1
    assert result.numbers["held_out"] == 24
    assert directory.sample_path(result.step).exists()


def test_a_resumed_classifier_ends_with_the_very_same_weights(bench: Any) -> None:

    settings = {"steps": 8, "save_every": 4, "log_every": 4, "model": "classifier"}
    whole, broken = bench.make("whole", **settings), bench.make("broken", **settings)
    bench.run(whole)
    bench.run(broken, deadline=1.0)
    bench.run(broken)
    found = []
    for directory in (whole, broken):
        entry = directory.store().entries()[-1]
        average = read_weights(entry, "ema")
        found.append(
            {**read_weights(entry, "model"), **{f"ema.{k}": v for k, v in average.items()}}
        )
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("size", [8, 16, 33])
def test_scores_are_one_per_image_and_class_for_any_size(size: int) -> None:
    model = BreedClassifier(dim=16, depth=3, classes=5)
    assert model(torch.randn(2, size, size, 3)).shape == (2, 5)


def test_an_answer_does_not_depend_on_what_else_is_in_the_batch() -> None:
    model = BreedClassifier(dim=16, depth=2, classes=5)
    torch.nn.init.normal_(model.head.weight)
    images = torch.randn(4, 16, 16, 3)
    with torch.no_grad():
        assert torch.allclose(model(images)[1], model(images[1:2])[0], atol=1e-5)


def test_a_classifier_that_guesses_does_not_pass_and_one_that_knows_does() -> None:
    config = resolve("classifier", "smoke")
    by_luck = accuracy_by_luck(0.25, 40)
    gate = gates_of(config)[-1]
    passed = [
        gate.verdict({"accuracy": accuracy, "accuracy_by_luck": by_luck}).passed
        for accuracy in (0.3, 0.8)
    ]
    assert passed == [False, True]


def test_measurements_on_held_out_photos_are_right_for_known_answers() -> None:
    class Oracle(torch.nn.Module):
        """Reads the class from the first pixel, and is wrong about class 3."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            labels = images[:, 0, 0, 0].long().clamp_max(2)
            return 20 * torch.nn.functional.one_hot(labels, 4).float()

    labels = torch.arange(40) % 4
    pictures = labels.view(-1, 1, 1, 1).expand(40, 16, 16, 3).float()
    config = resolve("classifier", "smoke")
    judge = BreedJudge(config, 4, ClassifierTask(config, 4))
    found = judge.validate(Oracle(), Held(pictures, labels))
    assert found["accuracy"] == found["balanced_accuracy"] == 0.75
    assert found["chance"] == 0.25
    assert found["calibration_error"] == pytest.approx(0.25, abs=1e-3)
    _, worst = judge.examples(Oracle(), Held(pictures, labels))
    assert worst == {"worst_confusion": 1.0}
