"""Small random moves of a picture before the network sees it, so that nothing depends on an exact place.

Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007, "Regularization: transformation robustness". A move is an
affine map; moves in a row are one map, by which the picture is read once, between its pixels. What lies outside of the
picture is mid grey, as if it had been padded without end.
"""

from collections.abc import Callable, Sequence

import numpy as np
from keras import ops

from cvapps.ops.interpolation import sample_bilinear

# (random numbers, the rows and columns by which the picture is larger than the network's) -> a map (2, 3) of
# (row, column, 1) around the middle, of the network's place to the picture's
Move = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
GREY = 127.5


def jitter(pixels: int) -> Move:
    """A shift by whole pixels: all places at which a frame fits into one larger by `pixels` are equally likely."""
    return lambda random, room: np.column_stack([np.eye(2), random.integers(pixels + 1, size=2) - pixels // 2])


def wander(window: float) -> Move:
    """A normal shift of the network's window in the larger picture; its deviation is a part of the room there is."""

    def move(random, room):
        half = np.array(room) / 2
        return np.column_stack([np.eye(2), np.clip(random.normal(0, 2 * window * half), -half, half)])

    return move


def scale(factors: Sequence[float]) -> Move:
    """The picture larger or smaller by one of the factors, around the middle."""
    return lambda random, room: np.column_stack([np.eye(2) / random.choice(factors), np.zeros(2)])


def rotate(degrees: Sequence[float]) -> Move:
    """The picture turned counter-clockwise by one of the angles, around the middle."""

    def move(random, room):
        angle = np.deg2rad(random.choice(degrees))
        return np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0]])

    return move


def together(moves: Sequence[Move], random: np.random.Generator, room: tuple[int, int]) -> np.ndarray:
    """One map of all moves, the first of which moves the picture first -> (2, 3)."""
    total = np.eye(3)
    for move in moves:
        total = total @ np.vstack([move(random, room), [0, 0, 1]])
    return total[:2].astype("float32")


def moved(pictures, transform, height: int, width: int):
    """Pictures (N, H, W, C) through a map (2, 3) to what the network sees, (N, height, width, C), middle on middle."""
    count, tall, wide, channels = pictures.shape
    rows, columns = np.mgrid[:height, :width].reshape(2, -1) - np.array([[height - 1], [width - 1]]) / 2
    places = ops.convert_to_tensor(np.stack([rows, columns, np.ones_like(rows)]).astype("float32"))
    middle = ops.convert_to_tensor(np.array([[tall - 1], [wide - 1]], "float32") / 2)
    points = ops.transpose(ops.matmul(transform, places) + middle)
    points = ops.broadcast_to(points[None], (count, height * width, 2))
    seen = sample_bilinear(pictures - GREY, points) + GREY
    return ops.reshape(seen, (count, height, width, channels))
