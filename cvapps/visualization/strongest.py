"""Where in a set of pictures a channel answers most: the pictures and the places."""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from cvapps import backend
from cvapps.visualization.explained import in_batches
from cvapps.visualization.networks import checked_images, in_float32, read


@dataclass(frozen=True)
class Strongest:
    """The best places of a channel, best first: pictures [N, H, W, C], their numbers in the set, places, values.

    `places` (N, 2) are (row, column) of the layer's map. No two are of one picture.
    """

    pictures: np.ndarray
    numbers: np.ndarray
    places: np.ndarray
    values: np.ndarray


def strongest(
    model: keras.Model, images: Any, layer: str, index: int, *, count: int, batch_size: int, verbose: int
) -> Strongest:
    """Pictures [N, H, W, C], or such batches to iterate over -> the `count` in which a channel answers most.

    Of batches only the best pictures are kept. A layer without places has the place (0, 0). Raises ValueError for a
    layer or a channel that doesn't exist, for no pictures and for a `count` under one.
    """
    if count < 1:
        raise ValueError(f"expected a count of at least one, got {count}")
    reader = read(in_float32(model), [layer])
    channels = reader.output[layer].shape[-1]
    if not 0 <= index < channels:
        raise ValueError(f"expected a channel from 0 to {channels - 1}, got {index}")

    def best(pictures):
        maps = reader(pictures, training=False)[layer][..., index]
        size, columns = ops.shape(maps)[0], ops.shape(maps)[2] if len(maps.shape) == 3 else 1
        flat = ops.reshape(maps, (size, -1))
        place = ops.cast(ops.argmax(flat, axis=1), "int32")
        return ops.max(flat, axis=1), ops.stack([place // columns, place % columns], axis=1)

    compiled, kept, seen, steps = backend.compiled(best), None, 0, 0
    progress = keras.utils.Progbar(None, verbose=verbose)
    for batch in [images] if hasattr(images, "__array__") else images:
        pictures = checked_images(model, batch)
        if not len(pictures):
            continue
        values, places = in_batches(compiled, batch_size, pictures, step=lambda: progress.add(1))
        found = Strongest(pictures, seen + np.arange(len(pictures)), places, values)
        kept, seen = _best_of(found if kept is None else _joined(kept, found), count), seen + len(pictures)
        steps += math.ceil(len(pictures) / batch_size)
    if kept is None:
        raise ValueError("expected at least one picture")
    progress.update(steps, finalize=True)  # how many there would be, only the end has told
    return kept


def _joined(a: Strongest, b: Strongest) -> Strongest:
    if a.pictures.shape[1:] != b.pictures.shape[1:]:
        raise ValueError(f"expected pictures of one size, got {list(a.pictures.shape)} and {list(b.pictures.shape)}")
    return Strongest(*(np.concatenate([x, y]) for x, y in zip(vars(a).values(), vars(b).values(), strict=True)))


def _best_of(found: Strongest, count: int) -> Strongest:
    """Of equal values the earlier picture comes first."""
    order = np.argsort(-found.values, kind="stable")[:count]
    return Strongest(*(array[order] for array in vars(found).values()))
