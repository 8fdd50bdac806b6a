"""Changes to a batch of photos that leave the cat a cat, made on the batch's device."""

import torch
from torch import Tensor
from torch.nn import functional


def mirror(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the uint8 images `[N, S, S, 3]`, about half of them mirrored in place."""
    flip = torch.rand(len(images), generator=generator, device=generator.device) < 0.5
    images[flip] = images[flip].flip(2)
    return images


def to_unit(images: Tensor) -> Tensor:
    """Return uint8 images as float32 in -1 to 1."""
    return images.float().div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> Tensor:
    """Return images in -1 to 1 (clamped) as uint8: the inverse of `to_unit`."""
    return images.add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)


def jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images `[N, S, S, 3]` moved, zoomed, turned and relit a little.

    A classifier that sees some ten photos of a breed learns the photos themselves without this.
    """
    count = len(images)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=generator.device) * 2 - 1

    angle, zoom, shift = (
        0.2 * uniform(count),
        0.85 + 0.15 * uniform(count),
        0.15 * uniform(count, 2),
    )
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    rows = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], 1)
    first = images.permute(0, 3, 1, 2)
    grid = functional.affine_grid(rows.view(-1, 2, 3), list(first.shape), align_corners=False)
    moved = functional.grid_sample(first, grid, padding_mode="reflection", align_corners=False)
    contrast = (1 + 0.3 * uniform(count)).view(-1, 1, 1, 1)
    brightness = (0.2 * uniform(count)).view(-1, 1, 1, 1)
    return (moved * contrast + brightness).permute(0, 2, 3, 1)
