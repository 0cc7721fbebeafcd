"""Areas and overlaps of boxes `x1 y1 x2 y2`, in float32. A box whose ends are the wrong way round is empty.

Shapes broadcast: (N, 4) with (N, 4) compares pair by pair, (N, 1, 4) with (M, 4) every box with every other.
"""

from keras import ops


def area(boxes):
    """Square pixels: (..., 4) -> (...)."""
    x1, y1, x2, y2 = ops.unstack(ops.cast(boxes, "float32"), 4, axis=-1)
    return ops.maximum(x2 - x1, 0) * ops.maximum(y2 - y1, 0)


def intersection(a, b):
    """Square pixels in both boxes: (..., 4), (..., 4) -> (...)."""
    (left, top, right, bottom), (x1, y1, x2, y2) = (ops.unstack(ops.cast(x, "float32"), 4, axis=-1) for x in (a, b))
    width = ops.maximum(ops.minimum(right, x2) - ops.maximum(left, x1), 0)
    return width * ops.maximum(ops.minimum(bottom, y2) - ops.maximum(top, y1), 0)


def enclosure(a, b):
    """Square pixels of the smallest box around both: (..., 4), (..., 4) -> (...)."""
    return area(ops.concatenate([ops.minimum(a[..., :2], b[..., :2]), ops.maximum(a[..., 2:], b[..., 2:])], axis=-1))


def iou(a, b):
    """Intersection over union in [0, 1]; 0 for two empty boxes: (..., 4), (..., 4) -> (...)."""
    shared = intersection(a, b)
    return ops.divide_no_nan(shared, area(a) + area(b) - shared)


def giou(a, b):
    """IoU less the part of the enclosure that neither box covers, in [-1, 1]: (..., 4), (..., 4) -> (...).

    Rezatofighi et al. 2019, arXiv:1902.09630, Algorithm 1. Of two boxes that share nothing it still tells how far apart
    they are.
    """
    union = area(a) + area(b) - intersection(a, b)
    around = enclosure(a, b)
    return iou(a, b) - ops.divide_no_nan(around - union, around)
