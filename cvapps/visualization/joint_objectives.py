"""Objectives under which the pictures of one ascent belong together: one for each, unlike each other, or in a row.

Olah, Mordvintsev & Schubert 2017, doi:10.23915/distill.00007, "Diversity" and "Interaction between neurons".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from cvapps.visualization.objectives import Objective


def one_each(objectives: Sequence[Objective], title: str) -> Objective:
    """Picture i climbs objective i: {name: (N, ...)} -> (N,). Raises ValueError for another number of pictures."""
    reads = tuple(dict.fromkeys(name for objective in objectives for name in objective.reads))

    def value(found):
        count = _count(found)
        if count != len(objectives):
            raise ValueError(f"expected a picture for each of {len(objectives)} objectives, got {count}")
        own = [{name: maps[i : i + 1] for name, maps in found.items()} for i in range(count)]
        return ops.concatenate([objective.value(maps) for objective, maps in zip(objectives, own, strict=True)])

    return Objective(title, reads, value)


def diversity(layer: str) -> Objective:
    """Minus the sum of the cosines between a picture's Gram matrix at a layer and each other one's, (N, ...) -> (N,).

    The article's formula: the Gram matrix of the channels says which of them are active together, wherever that is.
    Add it to an objective with a weight. Raises ValueError for a single picture.
    """

    def value(found):
        maps = found[layer]
        count, channels = maps.shape[0], maps.shape[-1]
        if count < 2:
            raise ValueError("diversity is between pictures: expected a count of at least 2, got 1")
        flat = ops.reshape(maps, (count, -1, channels))
        gram = ops.reshape(ops.matmul(ops.transpose(flat, (0, 2, 1)), flat), (count, -1))
        unit = gram / ops.maximum(ops.sqrt(ops.sum(ops.square(gram), -1, keepdims=True)), np.finfo(np.float32).tiny)
        cosines = ops.matmul(unit, ops.transpose(unit))
        return -ops.sum(cosines * ops.convert_to_tensor(1 - np.eye(count), "float32"), axis=-1)

    return Objective(f"diversity of {layer}", (layer,), value)


def interpolation(first: Objective, second: Objective) -> Objective:
    """The first objective at the first picture, the second at the last, between them sums in even steps -> (N,)."""

    def value(found):
        part = ops.convert_to_tensor(np.linspace(0, 1, _count(found)), "float32")
        return (1 - part) * first.value(found) + part * second.value(found)

    reads = tuple(dict.fromkeys(first.reads + second.reads))
    return Objective(f"from {first.title} to {second.title}", reads, value)


def alignment(layer: str) -> Objective:
    """Minus the mean squared difference of a layer's values from those of the pictures before and after -> (N,).

    It holds the same things at the same places along an interpolation. Raises ValueError for a single picture.
    """

    def value(found):
        maps = found[layer]
        count = maps.shape[0]
        if count < 2:
            raise ValueError("alignment is between pictures: expected a count of at least 2, got 1")
        steps = ops.mean(ops.reshape(ops.square(maps[1:] - maps[:-1]), (count - 1, -1)), axis=-1)
        return -(ops.pad(steps, (0, 1)) + ops.pad(steps, (1, 0)))

    return Objective(f"alignment of {layer}", (layer,), value)


def _count(found: Mapping[str, Any]) -> int:
    """N of {name: (N, ...)}."""
    return next(iter(found.values())).shape[0]
