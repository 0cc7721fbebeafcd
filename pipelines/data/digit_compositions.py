"""Digits laid over a part of a photograph: how they are drawn, and what is seen of each."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pipelines.data.digit_sources import Split

ANGLE = 15.0  # degrees: by more, a 6 could be a 9
CONTRAST = 180.0  # least distance of a digit's colour from the mean of what it lies on


@dataclass(frozen=True)
class Settings:
    """What is composed."""

    digits: str = ""  # folder of MNIST's four idx files, gzipped or not, or of one .npz as `arrays:` takes it
    photographs: str = ""  # folder with pictures anywhere below
    train: int = 12000  # pictures
    validation: int = 400
    size: int = 128  # pixels of a picture's side
    most: int = 5  # digits of a picture
    smallest: float = 0.2  # longer side of a digit, as a part of the picture's
    largest: float = 0.5
    covered: float = 0.4  # part of its pixels up to which a digit may lie below others
    seed: int = 0

    def __post_init__(self):
        if min(self.train, self.validation, self.most) < 1 or self.size < 16:
            raise ValueError(f"expected pictures of 16 pixels or more, and a digit in each, not {self}")
        if not (0 < self.smallest <= self.largest <= 0.6 and 0 <= self.covered < 1):
            raise ValueError(f"expected 0 < smallest <= largest <= 0.6 and 0 <= covered < 1, not {self}")


@dataclass(frozen=True, eq=False)
class Composed:
    """A picture uint8 [S, S, 3] with K digits: masks bool [K, S, S] of what is seen, their tight boxes, classes."""

    image: np.ndarray
    masks: np.ndarray
    boxes: np.ndarray  # int64 [K, 4]
    classes: np.ndarray  # int64 [K]


def compose(photograph: Image.Image, digits: Split, settings: Settings, rng: np.random.Generator) -> Composed:
    """One to `settings.most` digits on a square of the photograph."""
    size = settings.size
    image = background(photograph, size, rng)
    covers: list[np.ndarray] = []  # how much of each pixel's colour is a digit's: float [S, S] each
    classes: list[int] = []
    for _ in range(rng.integers(1, settings.most + 1)):
        number = rng.integers(len(digits[0]))
        stamp = render(digits[0][number], size * rng.uniform(settings.smallest, settings.largest), rng)
        top, left = (rng.integers(0, size - side + 1) for side in stamp.shape)
        cover = np.zeros((size, size))
        cover[top : top + stamp.shape[0], left : left + stamp.shape[1]] = stamp
        covers.append(cover)
        classes.append(int(digits[1][number]))
    kept = visible_ones(np.stack(covers) > 0.5, settings.covered)
    for at in kept:
        behind = image[np.greater(covers[at], 0.5)].mean(0)
        image = image + covers[at][..., None] * (draw_colour(behind, rng) - image)
    masks = seen(np.stack([covers[at] for at in kept]) > 0.5)
    boxes = np.array([_around(mask) for mask in masks])
    return Composed(np.rint(image).astype("uint8"), masks, boxes, np.array([classes[at] for at in kept]))


def _around(mask: np.ndarray) -> list[int]:
    """The tight box of a mask that has a pixel: x1 y1 x2 y2."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def seen(masks: np.ndarray) -> np.ndarray:
    """What is seen of things that lie one upon the other, the last on top: bool [K, H, W] -> the same."""
    above = np.cumsum(masks[::-1], 0)[::-1] - masks
    return masks & (above == 0)


def visible_ones(masks: np.ndarray, most: float) -> list[int]:
    """Which can lie there with none of them covered by more than a part `most`: bool [K, H, W] -> numbers.

    The deepest is taken away, until the others can be seen.
    """
    kept = list(range(len(masks)))
    while True:
        chosen = masks[kept]
        hidden = 1 - seen(chosen).sum((1, 2)) / chosen.sum((1, 2))
        if hidden.max() <= most:
            return kept
        del kept[int(hidden.argmax())]


def background(photograph: Image.Image, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random square of the photograph, half of the time mirrored: float [S, S, 3]."""
    shorter = min(photograph.size)
    side = int(rng.integers(min(size, shorter), shorter + 1))
    left, top = (int(rng.integers(0, length - side + 1)) for length in photograph.size)
    part = photograph.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    pixels = np.asarray(part, "float64")
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def render(ink: np.ndarray, side: float, rng: np.random.Generator) -> np.ndarray:
    """A digit whose longer side has so many pixels before it is turned: uint8 [h, w] -> float 0..1, cut tightly."""
    glyph = _tight(ink, 64)
    height, width = glyph.shape
    scale = side / max(height, width)
    shape = max(round(width * scale), 2), max(round(height * scale), 2)
    drawn = Image.fromarray(np.pad(glyph, 1)).resize(
        (shape[0] + 2 * round(scale), shape[1] + 2 * round(scale)), Image.Resampling.BICUBIC
    )
    drawn = drawn.rotate(rng.uniform(-ANGLE, ANGLE), Image.Resampling.BICUBIC, expand=True)
    # half its grey levels are kept: in a scan of 8x8 pixels an 8 is known by lighter ink, not by holes
    cover = np.clip((np.asarray(drawn, "float64") - 80) / 120, 0, 1)
    return _tight(cover, 0.5)


def _tight(pixels: np.ndarray, least: float) -> np.ndarray:
    rows, columns = (np.flatnonzero((pixels > least).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError(f"a scan of {pixels.shape} without a digit: no ink above {least}")
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def draw_colour(behind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A colour that can be told from what is behind, float [3]: random, or black or white where none was found."""
    for colour in rng.uniform(0, 255, (20, 3)):
        if np.linalg.norm(colour - behind) >= CONTRAST:
            return colour
    return np.full(3, 255.0 if behind.mean() < 128 else 0.0)
