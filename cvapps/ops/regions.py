"""RoIAlign, on one map or on a pyramid's levels, and its reverse: masks put back into the picture.

Boxes are `x1 y1 x2 y2` in pixels of the picture, (N, R, 4): R for each picture, so shapes are static. Features come
back in their own type; places and sums are float32. Derivatives are by the features alone: what a region reads doesn't
move it (Ren et al. 2015, arXiv:1506.01497, section 3.2). What a box with NaN reads is undefined.
"""

import numpy as np
from keras import ops

from cvapps.ops.boxes import area


def pyramid_levels(boxes, lowest, highest, side=224, level=4):
    """Which level of a pyramid a box belongs to: (..., 4) -> int32 (...) in [lowest, highest].

    Lin et al. 2017, arXiv:1612.03144, equation 1: floor(level + log2(sqrt(area) / side)). As in torchvision a millionth
    of an octave may be missing. Empty boxes belong to the lowest level.
    """
    found = area(boxes)
    above = [found >= (side * 2.0 ** (k - level - 1e-6)) ** 2 for k in range(lowest + 1, highest + 1)]
    return sum((ops.cast(x, "int32") for x in above), ops.zeros_like(found, dtype="int32") + lowest)


def roi_align(features, boxes, stride, size, sampling=2, aligned=False):
    """Means of size x size bins of each region: (N, H, W, C), (N, R, 4) -> (N, R, size, size, C).

    He et al. 2017, arXiv:1703.06870, section 3: each bin's mean over sampling x sampling places read between the cells.
    Cell centres are at whole numbers and a region has a side of at least one cell; `aligned` has the centres at halves,
    as those of pixels are, and regions as small as they come. Places up to one cell outside of the map read its border,
    farther ones 0. As torchvision's, but that a number of places that follows each region's size (its
    `sampling_ratio=-1`) has no static shape. Raises ValueError for a sampling below 1.
    """
    return _align([features], [stride], ops.zeros_like(boxes[..., 0], dtype="int32"), boxes, size, sampling, aligned)


def pyramid_roi_align(pyramid, boxes, size, sampling=2, aligned=False):
    """`roi_align` of each box on its level: {"P2": (N, H, W, C), ...}, (N, R, 4) -> (N, R, size, size, C).

    The number in a name is the logarithm of the stride. Each box reads from its level of `pyramid_levels` alone, so the
    work doesn't grow with the levels. Raises ValueError for levels that don't follow one another.
    """
    maps = {int(name[1:]): x for name, x in pyramid.items()}
    levels = sorted(maps)
    if not levels or levels != list(range(levels[0], levels[-1] + 1)):
        raise ValueError(f"expected a map for each level from the lowest to the highest; got {sorted(pyramid)}")
    which = pyramid_levels(boxes, levels[0], levels[-1]) - levels[0]
    return _align([maps[k] for k in levels], [2**k for k in levels], which, boxes, size, sampling, aligned)


def paste_masks(masks, boxes, height, width):
    """Masks of boxes in the picture's frame, 0 outside of them: (..., M, M), (..., 4) -> float32 (..., height, width).

    He et al. 2017, arXiv:1703.06870, section 3.1 (inference), as torchvision pastes: a border of one 0 around the mask,
    the box larger by as much, its ends cut to whole pixels, both inside; bilinear between the mask's cells. What is in
    the mask (probabilities) is in the result. A box inverted by a pixel or more gives zeros, one without area a pixel.
    """
    cells = masks.shape[-1]
    x1, y1, x2, y2 = ops.unstack(ops.cast(boxes, "float32"), 4, axis=-1)

    def weights(start, end, side):  # (..., side, M): how much of each cell a pixel has
        centre, half = (end + start) * 0.5, (end - start) * 0.5 * ((cells + 2) / cells)
        first, last = ops.trunc(centre - half)[..., None], ops.trunc(centre + half)[..., None]
        pixel = np.arange(side, dtype="float32")
        scale = (cells + 2) / ops.maximum(last - first + 1, 1)
        place = ops.clip((0.5 - first + pixel) * scale - 0.5, 0, cells + 1)[..., None]
        inside = ops.logical_and(first <= pixel, last >= pixel)[..., None]
        tent = ops.maximum(1 - ops.abs(place - np.arange(1, cells + 1, dtype="float32")), 0)
        return tent * ops.cast(inside, "float32")

    rows, columns = weights(y1, y2, height), weights(x1, x2, width)
    return rows @ ops.cast(masks, "float32") @ ops.swapaxes(columns, -1, -2)


def _align(maps, strides, which, boxes, size, sampling, aligned):
    """`roi_align` where each box reads from the map that `which`, int32 (N, R), says."""
    if sampling < 1:
        raise ValueError(f"expected at least one place in each direction of a bin; got sampling={sampling}")
    sides = [tuple(ops.shape(x)[1:3]) for x in maps]
    which = which[..., None]

    def of_map(values):  # one for each map -> that of each box's map
        found = values[0]
        for k, value in enumerate(values[1:], 1):
            found = ops.where(which == k, value, found)
        return found

    channels = maps[0].shape[-1]
    cells = ops.concatenate([ops.reshape(x, (-1, h * w, channels)) for x, (h, w) in zip(maps, sides, strict=True)], 1)
    areas = [h * w for h, w in sides]
    height, width = of_map([h for h, _ in sides]), of_map([w for _, w in sides])
    picture = ops.cumsum(ops.ones_like(which), axis=0) - 1  # N may be open
    origin = picture * sum(areas) + of_map([sum(areas[:k]) for k in range(len(areas))])
    boxes = ops.stop_gradient(ops.cast(boxes, "float32")) * of_map([1 / s for s in strides]) - 0.5 * aligned
    steps = ((np.arange(size * sampling) + 0.5) / sampling).astype("float32")  # in bins

    def along(start, end, side):  # for each place within a bin the cells before and behind it and their weights
        extent = end - start if aligned else ops.maximum(end - start, 1)
        place = start + extent / size * steps
        edge = ops.cast(side, "float32")
        inside = ops.cast(ops.logical_and(place >= -1, place <= edge), "float32")
        place = ops.minimum(ops.maximum(place, 0), edge - 1)
        low = ops.minimum(ops.maximum(ops.cast(place, "int32"), 0), side - 1)
        part = place - ops.cast(low, "float32")
        both = (low, (1 - part) * inside), (ops.minimum(low + 1, side - 1), part * inside)
        return [(cell[..., i::sampling], weight[..., i::sampling]) for cell, weight in both for i in range(sampling)]

    rows, columns = (along(boxes[..., k : k + 1], boxes[..., k + 2 : k + 3], s) for k, s in ((1, height), (0, width)))
    cells = ops.reshape(cells, (-1, channels))
    total = 0.0
    for row, vertical in rows:
        for column, horizontal in columns:
            index = (origin + row * width)[..., :, None] + column[..., None, :]
            weight = vertical[..., :, None] * horizontal[..., None, :]
            total = total + weight[..., None] * ops.cast(ops.take(cells, index, axis=0), "float32")
    return ops.cast(total / sampling**2, maps[0].dtype)
