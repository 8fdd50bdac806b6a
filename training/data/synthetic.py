"""Drawn cats: the dataset where there is neither a folder of photos nor a network.

Every portrait is a function of its number. Breeds differ in fur, pattern and eyes; pose, light and
background vary within a breed. Whatever is made of these drawings has to say SYNTHETIC.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image, ImageDraw

__all__ = ["BREEDS", "IMAGES_PER_BREED", "VERSION", "Breed", "draw", "portraits"]

VERSION = 1
"""Part of the dataset's fingerprint: a change of the drawings is another dataset."""

IMAGES_PER_BREED = 96
_CANVAS = 256  # drawn large, then reduced: smooth edges at every size

Colour = tuple[int, int, int]
_PINK: Final[Colour] = (226, 150, 148)
_WHITE: Final[Colour] = (244, 240, 232)
_DARK: Final[Colour] = (34, 28, 28)


@dataclass(frozen=True)
class Breed:
    """What all portraits of a breed share."""

    name: str
    fur: Colour
    pattern: str  # plain, stripes, spots, points, bib, patches
    marks: Colour
    eyes: Colour
    muzzle: Colour
    ears: float = 1.0  # height, relative to the other breeds


BREEDS: Final[tuple[Breed, ...]] = (
    Breed("Bombay", (46, 42, 48), "plain", (46, 42, 48), (236, 186, 52), (66, 60, 66)),
    Breed("Calico", (240, 232, 220), "patches", (206, 112, 42), (112, 160, 84), (246, 240, 232)),
    Breed("Ginger", (222, 142, 66), "stripes", (166, 84, 30), (120, 168, 70), (246, 222, 190)),
    Breed("Leopard", (214, 176, 112), "spots", (92, 58, 34), (96, 176, 120), (240, 220, 184)),
    Breed("Russian", (124, 136, 154), "plain", (124, 136, 154), (92, 190, 96), (152, 162, 178)),
    Breed("Siamese", (232, 214, 186), "points", (84, 60, 50), (70, 140, 226), (92, 68, 58), 1.25),
    Breed("Snow", (242, 240, 238), "plain", (242, 240, 238), (84, 158, 232), (250, 244, 242), 0.8),
    Breed("Tuxedo", (40, 38, 42), "bib", (244, 242, 240), (150, 196, 72), (246, 244, 242)),
)


def portraits(
    image_size: int, per_breed: int = IMAGES_PER_BREED
) -> "Iterator[tuple[npt.NDArray[np.uint8], str]]":
    """Each portrait, uint8 [S, S, 3], with the name of its breed; breeds take turns."""
    for number in range(per_breed):
        for breed in BREEDS:
            yield draw(breed, number, image_size), breed.name


def draw(breed: Breed, number: int, image_size: int) -> "npt.NDArray[np.uint8]":
    """Portrait `number` of a breed, uint8 [S, S, 3]; the same for the same arguments."""
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    seed = [VERSION, BREEDS.index(breed), number]
    chance = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    cat = _Cat(breed, chance).painted()
    turn, right, down = (float(value) for value in chance.uniform((-9, -8, -6), (9, 8, 8)))
    cat = cat.rotate(turn, Image.Resampling.BILINEAR, translate=(round(right), round(down)))
    cat = cat.resize((image_size, image_size), Image.Resampling.LANCZOS)
    scene = _background(chance, image_size)
    scene.paste(cat, (0, 0), cat)
    lit = np.asarray(scene, dtype=np.float32) * _light(chance, image_size)[..., None]
    lit += chance.normal(0.0, 2.5, lit.shape[:2])[..., None]
    pixels: npt.NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return pixels


def _background(chance: "np.random.Generator", size: int) -> "Image.Image":
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    top = chance.uniform(90, 210, 3)
    bottom = np.clip(top + chance.uniform(-60, 60, 3), 60, 225)
    ramp = np.linspace(0.0, 1.0, size)[:, None, None]
    rows = (1 - ramp) * top + ramp * bottom
    return Image.fromarray(np.broadcast_to(rows, (size, size, 3)).astype(np.uint8))


def _light(chance: "np.random.Generator", size: int) -> "npt.NDArray[np.float32]":
    """Brightness [S, S] of a lamp above one shoulder."""
    import numpy as np  # noqa: PLC0415

    y, x = np.mgrid[0:size, 0:size] / size
    distance = (x - chance.uniform(0.2, 0.8)) ** 2 + (y - chance.uniform(0.0, 0.3)) ** 2
    light: npt.NDArray[np.float32] = (1.12 - 0.42 * distance).astype(np.float32)
    return light


class _Cat:
    """Draws one head with shoulders on a transparent canvas; `chance` decides the details."""

    def __init__(self, breed: Breed, chance: "np.random.Generator") -> None:
        self.breed = breed
        self.chance = chance
        self.x = _CANVAS / 2
        self.y = _CANVAS * 0.54
        self.width = float(chance.uniform(74, 88))  # half of the head
        self.height = float(chance.uniform(64, 74))
        self.ear = float(chance.uniform(56, 68)) * breed.ears
        tint = chance.uniform(-12, 12)
        self.fur = _shade(breed.fur, tint)
        self.marks = _shade(breed.marks, tint)

    def painted(self) -> "Image.Image":
        """The whole cat, RGBA."""
        from PIL import Image, ImageDraw  # noqa: PLC0415

        shape = Image.new("L", (_CANVAS, _CANVAS), 0)
        self._outline(ImageDraw.Draw(shape))
        coat = Image.new("RGB", (_CANVAS, _CANVAS), self.fur)
        pen = ImageDraw.Draw(coat)
        pen.ellipse(self._box(0, 1.55, 0.95, 0.75), fill=_shade(self.fur, -18))  # shoulders
        _PATTERNS[self.breed.pattern](self, pen)
        self._inner_ears(pen)
        self._muzzle(pen)
        for side in (-1, 1):
            self._eye(pen, side)
        cat = Image.new("RGBA", (_CANVAS, _CANVAS))
        cat.paste(coat, (0, 0), shape)
        self._whiskers(ImageDraw.Draw(cat))
        return cat

    def _at(self, x: float, y: float) -> tuple[float, float]:
        """A point of the head: (0, 0) its centre, 1 its edge."""
        return (self.x + x * self.width, self.y + y * self.height)

    def _box(self, x: float, y: float, rx: float, ry: float) -> list[tuple[float, float]]:
        return [self._at(x - rx, y - ry), self._at(x + rx, y + ry)]

    def _ear(self, side: int, inside: float) -> list[tuple[float, float]]:
        (outer, outer_y), (inner, inner_y) = (
            self._at(side * 0.93, -0.32),
            self._at(side * 0.2, -0.8),
        )
        tip = (self.x + side * self.width * 0.84, self.y - self.height * 0.66 - self.ear)
        middle = ((outer + inner + tip[0]) / 3, (outer_y + inner_y + tip[1]) / 3)
        corners = [(outer, outer_y), tip, (inner, inner_y)]
        return [
            (middle[0] + (x - middle[0]) * inside, middle[1] + (y - middle[1]) * inside)
            for x, y in corners
        ]

    def _outline(self, pen: "ImageDraw.ImageDraw") -> None:
        pen.ellipse(self._box(0, 1.75, 0.95, 1.0), fill=255)
        for side in (-1, 1):
            pen.polygon(self._ear(side, 1.0), fill=255)
        pen.ellipse(self._box(0, 0, 1, 1), fill=255)
        pen.ellipse(self._box(0, 0.3, 1.04, 0.62), fill=255)  # cheeks

    def _inner_ears(self, pen: "ImageDraw.ImageDraw") -> None:
        dark = sum(self.breed.fur) < 200 or self.breed.pattern == "points"
        for side in (-1, 1):
            pen.polygon(self._ear(side, 0.55), fill=_shade(_PINK, -70 if dark else 0))

    def _muzzle(self, pen: "ImageDraw.ImageDraw") -> None:
        for side in (-1, 1):
            pen.ellipse(self._box(side * 0.19, 0.5, 0.28, 0.24), fill=self.breed.muzzle)
        pen.ellipse(self._box(0, 0.74, 0.2, 0.14), fill=self.breed.muzzle)
        nose = [self._at(-0.11, 0.26), self._at(0.11, 0.26), self._at(0, 0.4)]
        pale = sum(self.breed.muzzle) > 330
        pen.polygon(nose, fill=(206, 104, 108) if pale else (24, 18, 20))
        line = _DARK if pale else (18, 14, 16)
        pen.line([self._at(0, 0.4), self._at(0, 0.52)], fill=line, width=4)
        for side in (-1, 1):
            start, end = self._at(min(0, side * 0.26), 0.4), self._at(max(0, side * 0.26), 0.62)
            pen.arc([start, end], 10, 170, fill=line, width=4)

    def _eye(self, pen: "ImageDraw.ImageDraw", side: int) -> None:
        x, y = side * 0.42, -0.1
        pen.ellipse(self._box(x, y, 0.245, 0.235), fill=_DARK)
        pen.ellipse(self._box(x, y, 0.205, 0.195), fill=self.breed.eyes)
        self._pupil = getattr(self, "_pupil", float(self.chance.uniform(0.05, 0.1)))
        pen.ellipse(self._box(x, y, self._pupil, 0.175), fill=(12, 10, 12))
        pen.ellipse(self._box(x - 0.06, y - 0.08, 0.045, 0.05), fill=(255, 255, 255))

    def _whiskers(self, pen: "ImageDraw.ImageDraw") -> None:
        colour = (250, 250, 246, 255) if sum(self.breed.fur) < 560 else (90, 82, 80, 255)
        droop = float(self.chance.uniform(-0.06, 0.1))
        for side in (-1, 1):
            for number in (-1, 0, 1):
                start = self._at(side * 0.32, 0.48 + 0.08 * number)
                end = self._at(side * 1.3, 0.46 + 0.24 * number + droop)
                pen.line([start, end], fill=colour, width=3)

    def stripes(self, pen: "ImageDraw.ImageDraw") -> None:
        """Bars on the forehead and on the cheeks."""
        for x in (-0.3, 0.0, 0.3):
            pen.line([self._at(x, -1.0), self._at(x * 0.6, -0.42)], fill=self.marks, width=13)
        for side in (-1, 1):
            for y in (-0.1, 0.22, 0.54):
                points = [self._at(side * 1.05, y), self._at(side * 0.72, y + 0.06)]
                pen.line(points, fill=self.marks, width=11)
            for y in (1.3, 1.6):
                points = [self._at(side * 0.9, y), self._at(side * 0.35, y + 0.1)]
                pen.line(points, fill=self.marks, width=12)

    def spots(self, pen: "ImageDraw.ImageDraw") -> None:
        """Dots all over, none of them on the face's middle."""
        for _ in range(46):
            x, y = (float(value) for value in self.chance.uniform((-1.1, -1.5), (1.1, 1.9)))
            size = float(self.chance.uniform(0.06, 0.1))
            pen.ellipse(self._box(x, y, size, size * 1.15), fill=self.marks)

    def points(self, pen: "ImageDraw.ImageDraw") -> None:
        """Dark ears and a dark mask."""
        for side in (-1, 1):
            pen.polygon(self._ear(side, 1.1), fill=self.marks)
        for step, share in enumerate((1.0, 0.86, 0.72)):
            mixed = _mix(self.fur, self.marks, 0.3 + 0.3 * step)
            pen.ellipse(self._box(0, 0.22, 0.72 * share, 0.72 * share), fill=mixed)

    def bib(self, pen: "ImageDraw.ImageDraw") -> None:
        """A white chest and a white blaze up the nose."""
        pen.polygon([self._at(0, -0.5), self._at(-0.42, 0.7), self._at(0.42, 0.7)], fill=self.marks)
        pen.ellipse(self._box(0, 1.5, 0.5, 0.72), fill=self.marks)

    def patches(self, pen: "ImageDraw.ImageDraw") -> None:
        """One side ginger, one side black."""
        side = 1 if self.chance.random() < 0.5 else -1
        for sign, colour in ((side, self.marks), (-side, _DARK)):
            pen.polygon(self._ear(sign, 1.15), fill=colour)
            x, y = (
                sign * float(self.chance.uniform(0.55, 0.7)),
                float(self.chance.uniform(-0.6, -0.3)),
            )
            pen.ellipse(self._box(x, y, 0.5, 0.62), fill=colour)
        pen.ellipse(self._box(side * 0.6, 1.6, 0.4, 0.4), fill=self.marks)

    def plain(self, pen: "ImageDraw.ImageDraw") -> None:
        """A lighter forehead, so that one colour is not flat."""
        pen.ellipse(self._box(0, -0.4, 0.7, 0.4), fill=_shade(self.fur, 9))


_PATTERNS: Final[dict[str, Callable[[_Cat, "ImageDraw.ImageDraw"], None]]] = {
    "plain": _Cat.plain,
    "stripes": _Cat.stripes,
    "spots": _Cat.spots,
    "points": _Cat.points,
    "bib": _Cat.bib,
    "patches": _Cat.patches,
}


def _shade(colour: Colour, by: float) -> Colour:
    red, green, blue = (round(min(255.0, max(0.0, part + by))) for part in colour)
    return (red, green, blue)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return (red, green, blue)
