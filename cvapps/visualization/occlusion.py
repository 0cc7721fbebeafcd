"""Occlusion: how a score falls where a square hides the picture.

Zeiler & Fergus 2013, arXiv:1311.2901, section 4.2. The paper maps the probability of the true class; here it is any
score, as for the other attributions: of a class the unnormalised one.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.visualization.batches import in_batches
from cvapps.visualization.explained import Subject, explained
from cvapps.visualization.result import Visualization, signed_pictures, spotlit_pictures


def occlusion(
    model: keras.Model,
    images: Any,
    of: Subject = None,
    *,
    size: int,
    stride: int,
    fill: float = 127.5,
    output: str | None = None,
    batch_size: int = 32,
    verbose: int = 1,
) -> Visualization:
    """Pictures [N, H, W, C] -> by how much a square over each pixel lowers the score, [N, H, W, 1].

    A square of `size` pixels, of the level `fill`, slides in steps of `stride` from the upper left corner until the
    picture is covered; the last ones are cut at the border. A pixel's value is the mean over the squares that hide it.
    The `details` hold the score of the whole picture, "score" (N,), and the paper's map, "scores" (N, rows, columns),
    by the square's place. `of` and `output` as for `saliency`. Raises ValueError for a square larger than the
    picture or without pixels, for a stride that leaves pixels out or is under one, and for a fill outside of [0, 255].
    """
    asked = explained(model, images, of, batch_size, output)
    pictures, (height, width) = asked.pictures, asked.pictures.shape[1:3]
    if not 1 <= size <= min(height, width):
        raise ValueError(f"expected a square of 1 to {min(height, width)} pixels, got {size}")
    if not 1 <= stride <= size:
        raise ValueError(f"expected a stride from 1 to the square's {size} pixels, got {stride}")
    if not 0 <= fill <= 255:
        raise ValueError(f"expected a fill in [0, 255], got {fill}")
    tops, lefts = (stride * np.arange(-(-(side - size) // stride) + 1) for side in (height, width))
    corners = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1).reshape(-1, 2).astype("int32")
    scores, given = asked.scores(), ops.convert_to_tensor(pictures)

    def hidden_scores(given, numbers, corners, labels):
        top, left = corners[:, :1, None, None], corners[:, 1:, None, None]
        row, column = ops.arange(height)[None, :, None, None], ops.arange(width)[None, None, :, None]
        inside = (row >= top) & (row < top + size) & (column >= left) & (column < left + size)
        return scores(ops.where(inside, ops.cast(fill, "float32"), ops.take(given, numbers, axis=0)), labels)

    compiled = backend.compiled(hidden_scores)
    numbers = np.repeat(np.arange(len(pictures), dtype="int32"), len(corners))
    progress = keras.utils.Progbar(-(-len(numbers) // batch_size), verbose=verbose)
    found = in_batches(
        lambda *some: compiled(given, *some), batch_size, numbers, np.tile(corners, (len(pictures), 1)),
        asked.labels[numbers], step=lambda: progress.add(1),
    ).reshape(len(pictures), len(tops), len(lefts))  # fmt: skip
    whole = in_batches(backend.compiled(scores), batch_size, pictures, asked.labels)
    drops = _over_pixels(whole[:, None, None] - found, tops, lefts, size, (height, width))
    columns = {"image": pictures, "drop": signed_pictures(drops), "lit by it": spotlit_pictures(pictures, drops)}
    details = {"labels": asked.labels, "score": whole, "scores": found}
    return Visualization(f"Occlusion by {size}x{size}", columns, drops, asked.rows, details)


def _over_pixels(
    values: np.ndarray, tops: np.ndarray, lefts: np.ndarray, size: int, shape: tuple[int, int]
) -> np.ndarray:
    """(N, rows, columns) by square -> [N, H, W, 1], the mean of those over each pixel."""
    total, count = np.zeros((len(values), *shape)), np.zeros(shape)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            total[:, top : top + size, left : left + size] += values[:, i, j, None, None]
            count[top : top + size, left : left + size] += 1
    return (total / count)[..., None].astype("float32")
