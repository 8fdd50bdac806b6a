"""Figures drawn as pictures: what a gate's number cannot show."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from training.learn.augment import to_unit

__all__ = ["confusion_picture"]

CELL, SMALL_CELL, GAP = 40, 14, 10
MOST_WITH_NUMBERS = 40
FULL = (22, 78, 140)
INK = (25, 25, 25)


def confusion_picture(table: Tensor, classes: Sequence[str]) -> Tensor:
    """Return a square picture `[1, S, S, 3]` in -1 to 1 of a confusion matrix, with its legend.

    Args:
        table: `[K, K]` counts; row: true class, column: predicted class.
        classes: The K names; numbers stand for names that are missing.
    """
    count = len(table)
    names = [*classes, *(str(index) for index in range(len(classes), count))]
    cell = CELL if count <= MOST_WITH_NUMBERS else SMALL_CELL
    font = ImageFont.load_default(14 if cell == CELL else 10)
    margin = 2 * GAP + math.ceil(max(font.getlength(name) for name in names))
    side = count * cell
    legend = 4 * GAP + 3 * 18
    size = max(margin + side + GAP, 420)
    height = margin + side + legend
    sheet = Image.new("RGB", (max(size, height), max(size, height)), "white")
    draw = ImageDraw.Draw(sheet)
    _names(sheet, names, margin, cell, font)
    share = (table / table.sum(1, keepdim=True).clamp_min(1)).tolist()
    for row in range(count):
        for column in range(count):
            left, top = margin + column * cell, margin + row * cell
            draw.rectangle(
                (left, top, left + cell - 1, top + cell - 1),
                fill=_shade(share[row][column]),
                outline=INK if row == column else (225, 225, 225),
            )
            number = int(table[row, column])
            if number and cell == CELL:
                ink = "white" if share[row][column] > 0.5 else INK
                middle = (left + cell / 2, top + cell / 2)
                draw.text(middle, str(number), fill=ink, font=font, anchor="mm")
    _legend(draw, table, (GAP, margin + side + GAP))
    pixels = torch.from_numpy(np.array(sheet))
    return to_unit(pixels)[None]


def _names(
    sheet: Image.Image,
    names: Sequence[str],
    margin: int,
    cell: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Write true names beside the rows and predicted ones, turned, above the columns."""
    draw = ImageDraw.Draw(sheet)
    for index, name in enumerate(names):
        middle = margin + index * cell + cell / 2
        draw.text((margin - GAP, middle), name, fill=INK, font=font, anchor="rm")
        turned = Image.new("RGB", (margin - GAP, cell), "white")
        ImageDraw.Draw(turned).text((0, cell / 2), name, fill=INK, font=font, anchor="lm")
        sheet.paste(turned.transpose(Image.Transpose.ROTATE_90), (margin + index * cell, 0))


def _legend(draw: ImageDraw.ImageDraw, table: Tensor, place: tuple[int, int]) -> None:
    """Say what rows, columns, shades and numbers are."""
    left, top = place
    font = ImageFont.load_default(14)
    right = int(table.diag().sum())
    total = int(table.sum())
    draw.text((left, top), "row: true breed   column: answer", fill=INK, font=font)
    draw.text(
        (left, top + 20), f"number: photos; {right} of {total} right (boxes)", fill=INK, font=font
    )
    draw.text((left, top + 40), "share of the row:  0 %", fill=INK, font=font)
    begin = left + math.ceil(font.getlength("share of the row:  0 % ")) + 4
    for offset in range(100):
        x = begin + offset
        draw.line((x, top + 42, x, top + 56), fill=_shade(offset / 99))
    draw.text((begin + 106, top + 40), "100 %", fill=INK, font=font)


def _shade(share: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 + (end - 255) * share) for end in FULL)
    return red, green, blue
