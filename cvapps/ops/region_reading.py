"""Means over places between the cells of maps: products with the places' weights on small maps, gathers on others.

The products go over all cells, the gathers over those that are read, but a gather's derivative is a scatter, which is
slow. What `regions` says of boxes, types and derivatives holds here.
"""

import numpy as np
from keras import ops

SMALL = 4096  # cells of all maps together, up to which products are faster than gathers in prediction too


def means_of_bins(maps, strides, which, boxes, size, sampling, aligned):
    """`regions.roi_align` where each box reads from the map that `which`, int32 (N, R), says."""
    if sampling < 1:
        raise ValueError(f"expected at least one place in each direction of a bin; got sampling={sampling}")
    sides = [tuple(ops.shape(x)[1:3]) for x in maps]
    which = which[..., None]

    def of_map(values):  # one for each map -> that of each box's map
        found = values[0]
        for k, value in enumerate(values[1:], 1):
            found = ops.where(which == k, value, found)
        return found

    boxes = ops.stop_gradient(ops.cast(boxes, "float32")) * of_map([1 / s for s in strides]) - 0.5 * aligned
    steps = ((np.arange(size * sampling) + 0.5) / sampling).astype("float32")  # in bins

    def places(start, end, side):  # along a side of the map, and 1 where they are to be read: (N, R, size * sampling)
        extent = end - start if aligned else ops.maximum(end - start, 1)
        place = start + extent / size * steps
        edge = ops.cast(side, "float32")
        inside = ops.cast(ops.logical_and(place >= -1, place <= edge), "float32")
        return ops.minimum(ops.maximum(place, 0), edge - 1), inside

    down = places(boxes[..., 1:2], boxes[..., 3:4], of_map([h for h, _ in sides]))
    right = places(boxes[..., :1], boxes[..., 2:3], of_map([w for _, w in sides]))
    known = all(isinstance(side, int) for both in sides for side in both)
    form = _products if known and _height(sides) * _width(sides) <= SMALL else _gathers
    return ops.cast(form(maps, sides, of_map, down, right, sampling), maps[0].dtype)


def _height(sides):
    """Rows of all maps, one above the other."""
    return sum(h for h, _ in sides)


def _width(sides):
    """Columns of the widest map."""
    return max(w for _, w in sides)


def _products(maps, sides, of_map, down, right, sampling):
    """Weights of rows, times the maps one above the other, times weights of columns: float32."""
    height, width, channels = _height(sides), _width(sides), maps[0].shape[-1]
    first = of_map([_height(sides[:k]) for k in range(len(sides))])
    stacked = [
        ops.pad(ops.cast(x, "float32"), [(0, 0), (0, 0), (0, width - w), (0, 0)])
        for x, (_, w) in zip(maps, sides, strict=True)
    ]
    stacked = ops.reshape(ops.concatenate(stacked, axis=1), (-1, height, width * channels))

    def weights(places, cells):  # (N, R, size * sampling), (..., cells) -> (N, R, size, cells)
        place, inside = (x[..., None] for x in places)
        tents = (
            ops.maximum(1 - ops.abs(place[:, :, i::sampling] - cells[..., None, :]), 0) * inside[:, :, i::sampling]
            for i in range(sampling)
        )
        return sum(tents) / sampling

    rows = weights(down, ops.cast(np.arange(height, dtype="int32") - first, "float32"))
    columns = weights(right, np.arange(width, dtype="float32"))
    count, size = ops.shape(rows)[1:3]
    read = ops.matmul(ops.reshape(rows, (-1, count * size, height)), stacked)
    return ops.matmul(columns[:, :, None], ops.reshape(read, (-1, count, size, width, channels)))


def _gathers(maps, sides, of_map, down, right, sampling):
    """The four cells around each place, times their weights, one place of all bins after the other: float32."""
    channels = maps[0].shape[-1]
    cells = ops.concatenate([ops.reshape(x, (-1, h * w, channels)) for x, (h, w) in zip(maps, sides, strict=True)], 1)
    cells = ops.reshape(cells, (-1, channels))
    areas = [h * w for h, w in sides]
    height, width = of_map([h for h, _ in sides]), of_map([w for _, w in sides])
    first = of_map([sum(areas[:k]) for k in range(len(areas))])
    picture = ops.cumsum(ops.ones_like(down[0][..., :1], dtype="int32"), axis=0) - 1  # N may be open
    origin = picture * sum(areas) + first

    def along(places, side):  # for each place within a bin the cells before and behind it and their weights
        place, inside = places
        low = ops.minimum(ops.maximum(ops.cast(place, "int32"), 0), side - 1)
        part = place - ops.cast(low, "float32")
        both = (low, (1 - part) * inside), (ops.minimum(low + 1, side - 1), part * inside)
        return [(cell[..., i::sampling], weight[..., i::sampling]) for cell, weight in both for i in range(sampling)]

    total = 0.0
    for row, vertical in along(down, height):
        for column, horizontal in along(right, width):
            index = (origin + row * width)[..., :, None] + column[..., None, :]
            weight = vertical[..., :, None] * horizontal[..., None, :]
            total = total + weight[..., None] * ops.cast(ops.take(cells, index, axis=0), "float32")
    return total / sampling**2
