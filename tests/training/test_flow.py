"""Flow matching: what is learned, and that it can be learned."""

import pytest
import torch
from torch import Tensor

from training.learn.config import resolve
from training.learn.diffusion import DiffusionTask
from training.learn.flow import (
    EARLY_END,
    EARLY_SHARE,
    TIME_MEAN,
    draw_time,
    drop_labels,
    flow_loss,
    interpolate,
    velocity,
)
from training.learn.randomness import generator
from training.learn.task import Draws

CPU = torch.device("cpu")


def smooth_images(count: int, size: int) -> Tensor:
    """Images of few frequencies, as photos are."""
    coarse = torch.rand(count, 3, 4, 4, generator=generator(1, "coarse")) * 2 - 1
    fine = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    return fine.permute(0, 2, 3, 1).contiguous()


def test_noise_and_image_are_different_tensors_with_nothing_in_common() -> None:
    task = DiffusionTask(resolve("dit", "smoke"), classes=2)
    images = smooth_images(64, 16)
    _, _, noise, _ = task.draw(images, torch.zeros(64, dtype=torch.long), Draws(0, 0, 0, CPU))
    likeness = torch.corrcoef(torch.stack([images.flatten(), noise.flatten()]))[0, 1]
    assert noise.data_ptr() != images.data_ptr()
    assert abs(float(likeness)) < 0.02
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)


def test_the_loss_is_the_squared_error_of_velocities() -> None:
    images, noise = torch.randn(4, 8, 8, 3), torch.randn(4, 8, 8, 3)
    time, guess = torch.tensor([0.1, 0.4, 0.7, 0.9]), torch.randn(4, 8, 8, 3)
    found = flow_loss(lambda *_: guess, images, torch.zeros(4), noise, time)
    noisy = interpolate(images, noise, time)
    expected = (velocity(guess, noisy, time) - (images - noise)).square().flatten(1).mean(1)
    assert torch.allclose(found.per_image, expected, rtol=1e-4)
    assert float(found.target_power) == pytest.approx(float((images - noise).square().mean()))


def test_the_path_leads_from_noise_to_the_image() -> None:
    images, noise = torch.randn(2, 8, 8, 3), torch.randn(2, 8, 8, 3)
    assert torch.allclose(interpolate(images, noise, torch.zeros(2)), noise)
    assert torch.allclose(interpolate(images, noise, torch.ones(2)), images)


def test_predicting_the_image_through_a_narrow_stream_has_no_loss_floor() -> None:
    """A stream half as wide as a patch: images pass, velocities lose half of the noise for ever."""
    patches = smooth_images(2_000, 16).flatten(1)  # one patch of 768 numbers each
    noise = torch.randn(2_000, 768, generator=generator(0, "n"))
    image_floor = narrowed(patches, 384)
    velocity_floor = narrowed(patches - noise, 384)
    time = draw_time(2_000, generator(0, "t"))
    shape = (2_000, 16, 16, 3)
    found = flow_loss(
        lambda *_: image_floor.view(shape),
        patches.view(shape),
        torch.zeros(2_000),
        noise.view(shape),
        time,
    )
    assert float(found.per_image.mean()) < 1e-3
    assert float((velocity_floor - (patches - noise)).square().mean()) > 0.25


def narrowed(patches: Tensor, width: int) -> Tensor:
    """The best that any network with a stream of `width` numbers per patch could return."""
    mean = patches.mean(0)
    _, _, directions = torch.linalg.svd(patches - mean, full_matrices=False)
    kept = directions[:width]
    return (patches - mean) @ kept.T @ kept + mean


def test_times_lie_on_the_noisy_side_and_reach_both_ends() -> None:
    time = draw_time(20_000, generator(0, "t"))
    late = time[time > EARLY_END]
    expected = torch.sigmoid(torch.tensor(TIME_MEAN))
    assert float(late.median()) == pytest.approx(float(expected), abs=0.04)
    # Sampling begins at time 0: a model that never saw times near it cannot begin.
    assert float((time < 0.05).float().mean()) == pytest.approx(EARLY_SHARE / 3, abs=0.01)
    assert 0 <= float(time.min()) < 0.001
    assert 0.8 < float(time.max()) < 1


def test_the_null_class_is_trained_by_dropping_a_tenth_of_the_labels() -> None:
    labels = torch.zeros(20_000, dtype=torch.long)
    dropped = drop_labels(labels, 5, 0.1, generator(0, "l"))
    assert set(dropped.tolist()) == {0, 5}
    assert float((dropped == 5).float().mean()) == pytest.approx(0.1, abs=0.01)


def test_what_is_drawn_for_a_step_never_changes_and_differs_from_step_to_step() -> None:
    task = DiffusionTask(resolve("dit", "smoke"), classes=2)
    images, labels = smooth_images(8, 16), torch.zeros(8, dtype=torch.long)
    first, again, next_step, other_rank = (
        task.draw(images, labels, draws)
        for draws in (
            Draws(0, 7, 0, CPU),
            Draws(0, 7, 0, CPU),
            Draws(0, 8, 0, CPU),
            Draws(0, 7, 1, CPU),
        )
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[2], next_step[2])
    assert not torch.equal(first[3], other_rank[3])


def test_losses_by_quarter_of_time_belong_to_their_quarter() -> None:
    task = DiffusionTask(resolve("dit", "smoke"), classes=1)
    images, noise = torch.randn(4, 16, 16, 3), torch.randn(4, 16, 16, 3)
    time = torch.tensor([0.1, 0.3, 0.6, 1.0])
    found = task.loss(task.build(), (images, torch.zeros(4, dtype=torch.long), noise, time))
    assert found.quarter is not None
    assert found.quarter.tolist() == [0, 1, 2, 3]
