"""Areas, overlaps and other forms of boxes `x1 y1 x2 y2`, in float32. A box with its ends the wrong way round is empty.

Shapes broadcast: (N, 4) with (N, 4) compares pair by pair, (N, 1, 4) with (M, 4) every box with every other. Of two
tensors one may be a constant and the other a symbol of a functional graph, in either order.
"""

from keras import ops


def plus(a, b):
    """The sum of two tensors that broadcast, one of them perhaps a constant beside a symbol.

    On TensorFlow `ops.add` takes a second one with a single long axis for a bias: of (1, N, 1) and (1, 1, N) it gives
    (1, N, 1), and (1, 2) and (1, 1, 2) lose an axis. On JAX a constant's own `+` takes no symbol.
    """
    return ops.subtract(a, -b)


def _ends(boxes):
    """x1, y1, x2 and y2 one by one: what compares every box with every other never holds four numbers for each pair."""
    return ops.unstack(ops.cast(boxes, "float32"), 4, axis=-1)


def _spanned(x1, y1, x2, y2):
    """Square pixels between ends: four of (...) -> (...)."""
    return ops.maximum(x2 - x1, 0) * ops.maximum(y2 - y1, 0)


def area(boxes):
    """Square pixels: (..., 4) -> (...)."""
    return _spanned(*_ends(boxes))


def intersection(a, b):
    """Square pixels in both boxes: (..., 4), (..., 4) -> (...)."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = _ends(a), _ends(b)
    return _spanned(ops.maximum(ax1, bx1), ops.maximum(ay1, by1), ops.minimum(ax2, bx2), ops.minimum(ay2, by2))


def enclosure(a, b):
    """Square pixels of the smallest box around both: (..., 4), (..., 4) -> (...)."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = _ends(a), _ends(b)
    return _spanned(ops.minimum(ax1, bx1), ops.minimum(ay1, by1), ops.maximum(ax2, bx2), ops.maximum(ay2, by2))


def iou(a, b):
    """Intersection over union in [0, 1]; 0 for two empty boxes: (..., 4), (..., 4) -> (...)."""
    shared = intersection(a, b)
    return ops.divide_no_nan(shared, plus(area(a), area(b)) - shared)


def giou(a, b):
    """IoU less the part of the enclosure that neither box covers, in [-1, 1]: (..., 4), (..., 4) -> (...).

    Rezatofighi et al. 2019, arXiv:1902.09630, Algorithm 1. Of two boxes that share nothing it still tells how far apart
    they are.
    """
    union = plus(area(a), area(b)) - intersection(a, b)
    around = enclosure(a, b)
    return iou(a, b) - ops.divide_no_nan(around - union, around)


def is_empty(boxes):
    """Whether a box has no pixels, or an end that is NaN: (..., 4) -> bool (...)."""
    boxes = ops.cast(boxes, "float32")
    return ops.logical_not(ops.all(boxes[..., 2:] > boxes[..., :2], axis=-1))


def _corner(size):
    """x and y of a picture's lower right corner: (..., 2) heights and widths -> (..., 2)."""
    return ops.flip(ops.cast(size, "float32"), axis=-1)


def clip(boxes, size):
    """The part of each box inside a picture: (..., 4), (..., 2) heights and widths -> (..., 4).

    A box outside becomes an empty one on the border.
    """
    corner = _corner(size)
    return ops.minimum(ops.maximum(ops.cast(boxes, "float32"), 0), ops.concatenate([corner, corner], axis=-1))


def inside(boxes, size):
    """Whether the picture holds the whole box: (..., 4), (..., 2) heights and widths -> bool (...).

    Ren et al. 2015, arXiv:1506.01497, section 3.3: anchors that cross the border are left out of training.
    """
    low, high = ops.split(ops.cast(boxes, "float32"), 2, axis=-1)
    return ops.all(ops.logical_and(low >= 0, ops.less_equal(high, _corner(size))), axis=-1)


def to_cxcywh(boxes):
    """Centres, widths and heights: (..., 4) -> (..., 4)."""
    low, high = ops.split(ops.cast(boxes, "float32"), 2, axis=-1)
    return ops.concatenate([(low + high) / 2, high - low], axis=-1)


def from_cxcywh(boxes):
    """Boxes by their ends of those by centre, width and height: (..., 4) -> (..., 4)."""
    centre, sides = ops.split(ops.cast(boxes, "float32"), 2, axis=-1)
    return ops.concatenate([centre - sides / 2, centre + sides / 2], axis=-1)


def to_xywh(boxes):
    """Upper left corners, widths and heights, as COCO's files have them: (..., 4) -> (..., 4)."""
    low, high = ops.split(ops.cast(boxes, "float32"), 2, axis=-1)
    return ops.concatenate([low, high - low], axis=-1)


def from_xywh(boxes):
    """Boxes by their ends of those by upper left corner, width and height: (..., 4) -> (..., 4)."""
    low, sides = ops.split(ops.cast(boxes, "float32"), 2, axis=-1)
    return ops.concatenate([low, low + sides], axis=-1)
