"""Numbers that gates decide by."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from training.judge.pictures import FULL, confusion_picture
from training.judge.quality import (
    calibrated,
    calibration_error,
    confusion_matrix,
    fitted_temperature,
    frechet_distance,
    neighbour_correlation,
    thumbnail_distance,
)
from training.learn.augment import jitter, mirror, to_bytes, to_unit
from training.learn.randomness import generator

FACES = Path(__file__).parents[2] / ".." / "shared" / "data" / "catfaces64"


def faces(count: int) -> torch.Tensor:
    """Real cat faces `[count, 64, 64, 3]` in -1 to 1."""
    if not FACES.exists():
        pytest.skip("no shared/data/catfaces64 beside the repository")
    files = sorted(FACES.glob("*.jpg"))[:count]
    pixels = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    return to_unit(torch.from_numpy(np.stack(pixels)))


def test_real_photos_correlate_and_noise_does_not() -> None:
    assert neighbour_correlation(faces(64)) > 0.86
    noise = torch.randn(64, 64, 64, 3, generator=generator(0, "n"))
    assert abs(neighbour_correlation(noise)) < 0.01


def test_an_image_without_contrast_has_no_correlation() -> None:
    assert neighbour_correlation(torch.full((2, 8, 8, 3), 0.3)) == 0


def test_the_distance_of_a_set_to_itself_is_nothing_and_to_noise_is_large() -> None:
    photos = faces(1_000)
    assert thumbnail_distance(photos, photos) == pytest.approx(0, abs=1e-3)
    held_out = thumbnail_distance(photos[:500], photos[500:])
    noise = torch.randn(500, 64, 64, 3, generator=generator(0, "n")).clamp(-1, 1)
    assert held_out < 2
    assert thumbnail_distance(noise, photos) > 20


def test_the_distance_of_two_normal_distributions_is_the_known_one() -> None:
    """For independent features: the squared differences of mean and of width, summed."""
    first = torch.randn(20_000, 8, 8, 3, generator=generator(0, "a"))
    second = 0.1 + 2 * torch.randn(20_000, 8, 8, 3, generator=generator(0, "b"))
    assert thumbnail_distance(first, second) == pytest.approx(192 * (0.01 + 1), rel=0.02)


def test_the_confusion_matrix_has_true_classes_in_rows() -> None:
    predicted, labels = torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 2])
    assert confusion_matrix(predicted, labels, 3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    sure = torch.tensor([[0.95, 0.05]] * 10)
    labels = torch.tensor([0] * 6 + [1] * 4)
    assert calibration_error(sure, labels) == pytest.approx(0.35)
    assert calibration_error(torch.tensor([[1.0, 0.0]] * 4), torch.zeros(4, dtype=torch.long)) == 0


def test_a_temperature_makes_confidence_what_it_should_be_and_changes_no_answer() -> None:
    labels = torch.randint(0, 4, (400,), generator=generator(0, "labels"))
    noise = torch.randn(400, 4, generator=generator(0, "scores"))
    scores = 8 * (functional.one_hot(labels, 4) + noise)  # right about half of the time, and sure
    sure = scores.softmax(1)
    found = calibrated(scores, labels)
    assert fitted_temperature(scores, labels) > 2
    assert calibration_error(sure, labels) > 0.25
    assert calibration_error(found, labels) < 0.1
    assert torch.equal(found.argmax(1), sure.argmax(1))


def test_no_image_has_a_say_in_its_own_confidence() -> None:
    scores = torch.tensor([[3.0, 0.0]] * 6)
    right, wrong = torch.tensor([0] * 6), torch.tensor([1, 0, 0, 0, 0, 0])
    assert torch.equal(calibrated(scores, right)[0], calibrated(scores, wrong)[0])
    assert not torch.equal(calibrated(scores, right)[1], calibrated(scores, wrong)[1])
    assert fitted_temperature(scores[:0], right[:0]) == 1


def test_a_confusion_picture_has_a_dark_box_where_answers_are_right() -> None:
    table = torch.tensor([[4, 0], [0, 0]])
    (picture,) = to_bytes(confusion_picture(table, ("Bengal", "Sphynx")))
    assert picture.shape[0] == picture.shape[1]
    dark = (picture == torch.tensor(FULL, dtype=torch.uint8)).all(2).nonzero()
    place = dark.float().mean(0)  # the one full cell, its number aside, and the end of the legend
    assert len(dark) > 900
    assert place[0] < place.new_tensor(picture.shape[0] / 2)
    many = confusion_picture(torch.eye(60).long(), ())
    assert many.shape[1] > 60 * 14


def test_the_distance_of_few_images_of_many_numbers_is_finite() -> None:
    one = torch.randn(1, 300, generator=generator(0, "one"))
    few = torch.randn(5, 300, generator=generator(0, "few"))
    assert frechet_distance(one, one) == 0
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, few) > 150


def test_bytes_and_numbers_convert_without_loss() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    assert torch.equal(to_bytes(to_unit(pixels)), pixels)


def test_mirroring_mirrors_about_half_and_changes_nothing_else() -> None:
    images = torch.randint(0, 256, (200, 4, 4, 3), dtype=torch.uint8)
    found = mirror(images.clone(), generator(0, "m"))
    mirrored = [torch.equal(a, b.flip(1)) for a, b in zip(found, images, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(found, images, strict=True)]
    assert 70 < sum(mirrored) < 130
    assert all(a != b for a, b in zip(mirrored, same, strict=True))


def test_jitter_changes_every_image_and_keeps_its_shape() -> None:
    images = faces(8)
    found = jitter(images, generator(0, "j"))
    assert found.shape == images.shape
    assert float((found - images).abs().flatten(1).mean(1).min()) > 0.01
    assert neighbour_correlation(found) > 0.8
