"""RoIAlign, on one map or on a pyramid's levels, and its reverse: masks put back into the picture.

Boxes are `x1 y1 x2 y2` in pixels of the picture, (N, R, 4): R for each picture, so shapes are static. Features come
back in their own type; places and sums are float32. Derivatives are by the features alone: what a region reads doesn't
move it (Ren et al. 2015, arXiv:1506.01497, section 3.2). What a box with NaN reads is undefined.
"""

import numpy as np
from keras import ops

from cvapps.ops.boxes import area
from cvapps.ops.region_reading import means_of_bins


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
    `sampling_ratio=-1`) has no static shape. Of a map that isn't finite everywhere the regions are undefined. Raises
    ValueError for a sampling below 1.
    """
    return means_of_bins(
        [features], [stride], ops.zeros_like(boxes[..., 0], dtype="int32"), boxes, size, sampling, aligned
    )


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
    return means_of_bins([maps[k] for k in levels], [2**k for k in levels], which, boxes, size, sampling, aligned)


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
