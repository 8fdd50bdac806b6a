"""From noise to images: the flow solved with guidance, and the grid people look at."""

import io
import math
from collections.abc import Sequence
from typing import Literal

import torch
from PIL import Image, ImageDraw, PngImagePlugin
from torch import Tensor

from training.learn.augment import to_bytes
from training.learn.flow import Predict, velocity

CAPTION_HEIGHT = 14


@torch.no_grad()
def sample(
    predict: Predict,
    noise: Tensor,
    labels: Tensor,
    *,
    null_class: int,
    steps: int,
    guidance: float = 1.0,
    sampler: Literal["heun", "euler"] = "heun",
) -> Tensor:
    """Return images `[N, S, S, 3]` in -1 to 1.

    Args:
        predict: The model.
        noise: Where the paths begin, standard normal `[N, S, S, 3]`.
        labels: `[N]` the classes wanted.
        null_class: The class that guidance moves away from.
        steps: Steps from time 0 to 1.
        guidance: 1 follows the class as learned; more exaggerates it, at the price of a doubled
            batch.
        sampler: `heun` looks twice in a step, `euler` once.
    """
    images = noise
    times = torch.linspace(0, 1, steps + 1, device=noise.device)
    for start, end in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        speed = _guided(predict, images, start, labels, null_class, guidance)
        moved = images + (end - start) * speed
        # The last step of Heun's method would have to look at time 1, where velocity is not
        # defined.
        if sampler == "heun" and end < 1:
            second = _guided(predict, moved, end, labels, null_class, guidance)
            moved = images + (end - start) * (speed + second) / 2
        images = moved
    return images.clamp(-1, 1)


def _guided(
    predict: Predict, images: Tensor, time: float, labels: Tensor, null_class: int, guidance: float
) -> Tensor:
    times = torch.full((len(images),), time, device=images.device)
    if guidance == 1:
        return velocity(predict(images, times, labels).float(), images, times)
    nothing = torch.full_like(labels, null_class)
    both = predict(images.repeat(2, 1, 1, 1), times.repeat(2), torch.cat([labels, nothing]))
    given, free = both.float().chunk(2)
    return velocity(torch.lerp(free, given, guidance), images, times)


def grid_png(images: Tensor, *, caption: str = "", about: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return a PNG with the images in a nearly square grid.

    Args:
        images: `[N, S, S, 3]` in -1 to 1.
        caption: Words on a strip above the grid; the strip is left out without them.
        about: Names and texts for the file's metadata.
    """
    count, size = len(images), images.shape[1]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = max(1, 64 // size)
    top = CAPTION_HEIGHT if caption else 0
    sheet = Image.new("RGB", (columns * size * scale, rows * size * scale + top), "white")
    for index, pixels in enumerate(to_bytes(images).cpu().numpy()):
        tile = Image.fromarray(pixels).resize(
            (size * scale, size * scale), Image.Resampling.NEAREST
        )
        sheet.paste(tile, (index % columns * size * scale, top + index // columns * size * scale))
    if caption:
        ImageDraw.Draw(sheet).text((2, 1), caption, fill="black")
    return _png(sheet, about)


def _png(sheet: Image.Image, about: Sequence[tuple[str, str]]) -> bytes:
    metadata = PngImagePlugin.PngInfo()
    for name, text in about:
        metadata.add_text(name, text)
    content = io.BytesIO()
    sheet.save(content, "PNG", pnginfo=metadata)
    return content.getvalue()
