"""What an ascent moves instead of a finished picture: pixels around a mean, or the pixels of given pictures.

Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 2: the ascent starts from the zero picture and the mean of
the training pictures is added at the end. Other spaces are in fourier.py and generators.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Shape = tuple[int, int, int, int]  # pictures (N, H, W, C)


@dataclass(frozen=True)
class Parameterization:
    """The values that are moved, where they start, and the pictures in [0, 255] that they stand for.

    `start` gives values (N, ...) of a random generator; `picture` maps values (N, ...) to pictures (N, H, W, C); after
    each step the values are cut to [`low`, `high`], numbers or arrays of one sample's values.
    """

    start: Callable[[np.random.Generator], np.ndarray]
    picture: Callable[[Any], Any]
    low: Any = -np.inf
    high: Any = np.inf


def pixels(mean: Any = 127.5, deviation: float = 0.0) -> Callable[[Shape], Parameterization]:
    """Differences from a mean picture, in grey levels: the picture stays in [0, 255]. `mean` broadcasts to (H, W, C).

    They start at zero, or at normal noise of that deviation. The mean grey stands in for the training pictures' mean,
    which is better where it is known.
    """
    mean = np.asarray(mean, "float32")

    def of(shape):
        return Parameterization(
            start=lambda random: deviation * random.standard_normal(shape),
            picture=lambda values: values + mean,
            low=-mean,
            high=255 - mean,
        )

    return of


GREY = pixels()  # around mid grey, from a grey picture


def pixels_of(pictures: np.ndarray) -> Callable[[Shape], Parameterization]:
    """The pixels themselves, which start as the given pictures [N, H, W, C] in [0, 255].

    Raises ValueError where pictures of another shape are asked for.
    """

    def of(shape):
        if np.shape(pictures) != shape:
            raise ValueError(f"expected {list(shape)} pictures to start from, got {list(np.shape(pictures))}")
        return Parameterization(lambda random: np.array(pictures), lambda values: values, 0.0, 255.0)

    return of
