"""From noise to images, and the grid."""

import io

import pytest
import torch
from PIL import Image
from torch import Tensor

from training.judge.quality import neighbour_correlation
from training.judge.sampling import grid_png, sample

LABELS = torch.tensor([0, 1])


def noise() -> Tensor:
    return torch.randn(2, 8, 8, 3, generator=torch.Generator().manual_seed(0))


def grey(images: Tensor, _time: Tensor, labels: Tensor) -> Tensor:
    """A model that knows one image per class: class k is a grey of k / 4."""
    return (labels / 4).view(-1, 1, 1, 1).expand_as(images)


@pytest.mark.parametrize("sampler", ["heun", "euler"])
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_a_model_that_knows_the_image_is_followed_to_it(sampler: str, steps: int) -> None:
    found = sample(grey, noise(), LABELS, null_class=2, steps=steps, sampler=sampler)  # type: ignore[arg-type]
    assert torch.allclose(found, grey(found, LABELS, LABELS), atol=1e-5)


def test_guidance_moves_away_from_the_null_class() -> None:
    found = sample(grey, noise(), LABELS, null_class=2, steps=4, guidance=1.5)
    # From the null class's 0.5, one and a half times as far as the class: 0 -> -0.25, 0.25 ->
    # 0.125.
    assert found.mean((1, 2, 3)).tolist() == pytest.approx([-0.25, 0.125], abs=1e-5)


def test_guidance_is_one_doubled_batch() -> None:
    sizes = []

    def counting(images: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        sizes.append(len(images))
        return grey(images, time, labels)

    sample(counting, noise(), LABELS, null_class=2, steps=3, guidance=2.0, sampler="euler")
    sample(counting, noise(), LABELS, null_class=2, steps=2, guidance=1.0, sampler="heun")
    assert sizes == [4, 4, 4, 2, 2, 2]


def test_heun_is_closer_than_euler_where_the_path_is_curved() -> None:
    """For normally distributed images of width 0.5 the answer is known: half the noise."""

    def shrink(images: Tensor, time: Tensor, _labels: Tensor) -> Tensor:
        t = time.view(-1, 1, 1, 1)
        return images * (0.25 * t / (0.25 * t**2 + (1 - t) ** 2))

    start = 0.5 * noise()
    errors = {
        name: float(
            (sample(shrink, start, LABELS, null_class=2, steps=8, sampler=name) - start / 2)
            .abs()
            .mean()
        )  # type: ignore[arg-type]
        for name in ("heun", "euler")
    }
    assert errors["heun"] < errors["euler"] / 3


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_the_grid_holds_every_image_at_its_place() -> None:
    colours = torch.tensor([-1.0, 0.0, 1.0, -0.5, 0.5]).view(5, 1, 1, 1).expand(5, 64, 64, 3)
    with opened(grid_png(colours)) as sheet:
        assert sheet.size == (3 * 64, 2 * 64)
        centres = [sheet.getpixel((64 * (i % 3) + 32, 64 * (i // 3) + 32))[0] for i in range(5)]
    assert centres == [0, 128, 255, 64, 191]


def test_drawings_say_that_they_are_in_the_picture_and_in_the_file() -> None:
    images = torch.zeros(4, 16, 16, 3)
    with (
        opened(grid_png(images)) as plain,
        opened(grid_png(images, caption="SYNTHETIC", about=[("source", "SYNTHETIC")])) as labelled,
    ):
        assert labelled.size[1] > plain.size[1]
        assert labelled.text["source"] == "SYNTHETIC"
        strip = labelled.crop((0, 0, labelled.size[0], labelled.size[1] - plain.size[1]))
        assert len(strip.getcolors()) > 1


def test_a_grid_of_noise_is_told_from_a_grid_of_smooth_images() -> None:
    smooth = torch.linspace(-1, 1, 16).view(1, 1, 16, 1).expand(2, 16, 16, 3) * torch.ones(
        2, 16, 16, 3
    )
    assert neighbour_correlation(torch.randn(8, 32, 32, 3)) == pytest.approx(0, abs=0.03)
    assert neighbour_correlation(smooth + 0.01 * torch.randn(2, 16, 16, 3)) > 0.4
