"""Turns one file into a small square of pixels, or says why it can't."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

__all__ = ["UnusablePhoto", "decode", "strict_decoding"]

SMALLEST_SIDE = 8
_PAPER = (255, 255, 255)
# What PIL's parsers raise on bytes that are not what they claim to be.
_BROKEN = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, struct.error)


class UnusablePhoto(Exception):
    """A file that is not a usable photo; the message is the reason."""


@contextmanager
def strict_decoding() -> Iterator[None]:
    """While it lasts, an image too large to be a photo is refused and other warnings are silent.

    Warning filters are those of the whole process, so this surrounds the threads that decode.
    """
    from PIL import Image  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def decode(path: Path, size: int) -> "npt.NDArray[np.uint8]":
    """The middle square of a photo, uint8 [S, S, 3], upright, reduced with a Lanczos filter.

    Transparent parts become white; of an animation the first picture is taken. A JPEG is decoded
    at the smallest scale that still has twice the pixels asked for.

    Raises:
        UnusablePhoto: Not an image, damaged, or smaller than 8 pixels.
    """
    import numpy as np  # noqa: PLC0415
    from PIL import Image, ImageOps  # noqa: PLC0415

    try:
        with Image.open(path) as image:
            if min(image.size) < SMALLEST_SIDE:
                raise UnusablePhoto(f"too small: {image.width} x {image.height} pixels")
            image.draft(None, (2 * size, 2 * size))
            upright = ImageOps.exif_transpose(image)
            opaque = _opaque(upright)
            side = min(opaque.size)
            left, top = (opaque.width - side) / 2, (opaque.height - side) / 2
            small = opaque.resize(
                (size, size),
                Image.Resampling.LANCZOS,
                box=(left, top, left + side, top + side),
                reducing_gap=3.0,
            )
            return np.asarray(small, dtype=np.uint8)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusablePhoto("more pixels than a photo has (decompression bomb)") from error
    except MemoryError as error:
        raise UnusablePhoto("more pixels than fit in memory") from error
    except _BROKEN as error:
        raise UnusablePhoto(_why(error, path)) from error


def _opaque(image: "Image.Image") -> "Image.Image":
    """The same picture in RGB."""
    from PIL import Image  # noqa: PLC0415

    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        solid = image.convert("RGBA")
        paper = Image.new("RGB", solid.size, _PAPER)
        paper.paste(solid, (0, 0), solid)
        return paper
    return image if image.mode == "RGB" else image.convert("RGB")


def _why(error: Exception, path: Path) -> str:
    from PIL import UnidentifiedImageError  # noqa: PLC0415

    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    said = str(error).replace(str(path), path.name)
    return f"damaged: {said or type(error).__name__}"
