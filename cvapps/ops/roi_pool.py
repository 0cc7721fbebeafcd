"""RoIPool: maxima over the bins of regions."""

import numpy as np
from keras import ops


def roi_pool(features, boxes, stride, size):
    """Maxima over size x size bins of each region: (N, H, W, C), (N, R, 4) -> (N, R, size, size, C).

    Girshick 2015, arXiv:1504.08083, section 2.1, with the integer bins of the author's code: a box's ends over
    `stride`, rounded half away from zero, are the region's first and last cells; of h cells bin i has those from
    floor(i h / size) up to ceil((i + 1) h / size), so bins share cells. An inverted box is one cell; a bin without
    cells is 0. Unlike there a region is first cut to the map, as proposals are. Boxes (`x1 y1 x2 y2` in pixels of the
    picture) have no derivative. Raises ValueError for a map of open size.
    """
    _, height, width, channels = features.shape
    if height is None or width is None:
        raise ValueError(f"expected features (N, H, W, C) with H and W known; got {tuple(features.shape)}")
    boxes = ops.clip(ops.stop_gradient(ops.cast(boxes, "float32")) / stride, -1e6, 1e6)
    whole = ops.trunc(boxes)
    away = ops.sign(boxes) * ops.cast(ops.abs(boxes - whole) >= 0.5, "float32")
    left, top, right, bottom = ops.unstack(ops.cast(whole + away, "int32"), 4, axis=-1)
    vertical, horizontal = _bins(top, bottom, height, size), _bins(left, right, width, size)
    down, up, tall, some_rows = (x[..., None] for x in vertical)
    right_on, left_on, wide, some_columns = (x[..., None, :] for x in horizontal)
    # a maximum over any bin is that over four windows in its corners, whose sides are powers of two
    tables = [_windows(x, _longest(width, size), 2) for x in _windows(features, _longest(height, size), 1)]
    area = height * width
    flat = [ops.reshape(table, (-1, area, channels)) for row in tables for table in row]
    nothing = ops.zeros_like(features[:, 0, :1])  # what a bin without cells reads
    cells = ops.reshape(ops.concatenate([*flat, nothing], axis=1), (-1, channels))
    picture = ops.cumsum(ops.ones_like(left), axis=0)[..., None, None] - 1  # N may be open
    some = ops.logical_and(some_rows, some_columns)
    table = tall * len(tables[0]) + wide

    def read(y, x):
        place = ops.where(some, (table * height + y) * width + x, len(flat) * area)
        return ops.take(cells, picture * (len(flat) * area + 1) + place, axis=0)

    upper, lower = (ops.maximum(read(y, right_on), read(y, left_on)) for y in (down, up))
    return ops.maximum(upper, lower)


def _longest(side, size):
    """Cells of the longest bin that a region within a map can have."""
    return min(side, -(-side // size) + 1)


def _windows(x, longest, axis):
    """Maxima over 1, 2, 4, ... neighbours from each place on, those that wrap not to be read: list of x's shape."""
    found = [x]
    for k in range(longest.bit_length() - 1):
        found.append(ops.maximum(found[-1], ops.roll(found[-1], -(2**k), axis=axis)))
    return found


def _bins(first, last, side, size):
    """Two windows that make up each bin, and the windows' table: int32 (N, R) -> three int32 and bool (N, R, size).

    The windows start at the first and at the second number; their length is 2 to the power of the third. False marks
    bins without cells.
    """
    last = ops.maximum(first, last)
    first = ops.maximum(first, 0)[..., None]
    cells = ops.maximum(ops.minimum(last, side - 1)[..., None] - first + 1, 0)
    i = np.arange(size, dtype="int32")
    low, high = cells * i // size, (cells * (i + 1) + size - 1) // size
    table = sum((ops.cast(high - low >= 2**k, "int32") for k in range(1, _longest(side, size).bit_length())), high * 0)
    length = 2**table
    return ops.minimum(first + low, side - 1), ops.clip(first + high - length, 0, side - 1), table, high > low
