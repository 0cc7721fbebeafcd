"""Boxes and points that a detector lays over its maps before it has seen the picture, in pixels of the picture.

A cell is a float32 NumPy array (A, 4) of boxes around (0, 0), a value that a detector's table can hold; a dictionary
{stride: cell} is a pyramid of them. `tile` sets a cell down at every place of a map. torchvision's detectors have
rounded cells at the corners of the places: `tile(np.round(cell), size, stride, offset=0)`.
"""

import numpy as np
from keras import ops

from cvapps.ops.boxes import plus


def centred(sizes):
    """Boxes around (0, 0) of those widths and heights: (A, 2) -> NumPy (A, 4)."""
    sizes = np.asarray(sizes, "float64")
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not (sizes > 0).all():
        raise ValueError(f"sizes must be (A, 2) positive widths and heights; got {sizes.tolist()}")
    return (np.concatenate([-sizes, sizes], axis=-1) / 2).astype("float32")


def rectangles(scales, ratios):
    """Boxes around (0, 0) of every ratio at every scale: S scales, R ratios -> NumPy (R * S, 4), ratios outermost.

    A scale is the side of the square that has the box's area, a ratio is height / width.
    Ren et al. 2015, arXiv:1506.01497, section 3.1.1.
    """
    root = np.sqrt(np.asarray(ratios, "float64"))[:, None]
    scales = np.asarray(scales, "float64")
    return centred(np.stack([scales / root, scales * root], axis=-1).reshape(-1, 2))


def octaves(side):
    """Three scales in the octave that begins there: number -> NumPy (3,). Lin et al. 2017, arXiv:1708.02002, section 4.

    torchvision cuts them to whole pixels: `np.floor(octaves(side))`.
    """
    return side * 2 ** (np.arange(3) / 3)


def priors(strides, sides, ratios):
    """SSD's default boxes: L strides, L + 1 sides, ratios above 1 by level -> {stride: NumPy (2 + 2 R, 4)}.

    Liu et al. 2015, arXiv:1512.02325, section 2.2. The order is that of the authors' PriorBox layer: the square of the
    level's side, the one half way to the next level's, and each ratio wide and tall. `sides` are in pixels.
    """
    if not len(strides) == len(ratios) == len(sides) - 1:
        counts = f"{len(strides)} strides, {len(ratios)} levels of ratios and {len(sides)} sides"
        raise ValueError(f"L strides need L levels of ratios and L + 1 sides; got {counts}")
    levels = {}
    for stride, side, following, wide in zip(strides, sides[:-1], sides[1:], ratios, strict=True):
        shapes = [(side, side), (np.sqrt(side * following),) * 2]
        for root in np.sqrt(wide):
            shapes += [(side * root, side / root), (side / root, side * root)]
        levels[stride] = centred(shapes)
    return levels


RATIOS = (0.5, 1.0, 2.0)
FASTER_RCNN = rectangles((128, 256, 512), RATIOS)  # the paper's nine, on one map of stride 16
RPN = {
    stride: rectangles((8 * stride,), RATIOS) for stride in (4, 8, 16, 32, 64)
}  # on a pyramid: arXiv:1612.03144, 4.1
RETINANET = {stride: rectangles(octaves(4 * stride), RATIOS) for stride in (8, 16, 32, 64, 128)}

STEPS300 = (8, 16, 32, 64, 100, 300)  # of the authors' configuration; the paper divides the picture by the map
RATIOS300 = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
SSD300 = priors(STEPS300, (30, 60, 111, 162, 213, 264, 315), RATIOS300)  # VOC
SSD300_COCO = priors(STEPS300, (21, 45, 99, 153, 207, 261, 315), RATIOS300)  # smaller ones: section 3.4
SSD512 = priors(
    (8, 16, 32, 64, 128, 256, 512),
    tuple(512 * share for share in (0.07, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05)),
    ((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)
YOLO_V3 = {  # clusters of COCO's boxes at 416 x 416: Redmon & Farhadi 2018, arXiv:1804.02767, section 2.3
    8: centred([(10, 13), (16, 30), (33, 23)]),
    16: centred([(30, 61), (62, 45), (59, 119)]),
    32: centred([(116, 90), (156, 198), (373, 326)]),
}


def points(size, stride, offset=0.5):
    """x and y of every place of a map, row by row: (h, w) -> (h * w, 2).

    A place is `stride` pixels wide and high (or a pair: high, wide), and its point is `offset` of that from its upper
    left corner: the middle, as in FCOS (Tian et al. 2019, arXiv:1904.01355, section 3.1).
    """
    height, width = size
    down, right = ops.unstack(ops.broadcast_to(ops.cast(stride, "float32"), (2,)))
    rows = ops.multiply(ops.arange(height, dtype="float32") + offset, down)
    columns = ops.multiply(ops.arange(width, dtype="float32") + offset, right)
    y, x = ops.meshgrid(rows, columns, indexing="ij")
    return ops.reshape(ops.stack([x, y], axis=-1), (-1, 2))


def tile(cell, size, stride, offset=0.5):
    """The cell around every point of a map, row by row, the cell's boxes innermost: (A, 4), (h, w) -> (h * w * A, 4).

    `stride` and `offset` are those of `points`. Boxes may reach over the picture's border.
    """
    places = points(size, stride, offset)
    moved = plus(ops.concatenate([places, places], axis=-1)[:, None], ops.cast(cell, "float32"))
    return ops.reshape(moved, (-1, 4))
