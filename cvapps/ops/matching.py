"""Which of a picture's true boxes an anchor, or a point, has to find.

True boxes come as a list of fixed length G with `valid` telling which of them there are. The answer is int32 (..., A):
the number of the box, or BACKGROUND, or IGNORED where neither should be learned. Of equal overlaps the first box wins.
"""

import keras
from keras import ops

from cvapps.ops.boxes import area, iou, to_cxcywh
from cvapps.ops.coding import encode_sides

BACKGROUND, IGNORED = -1, -2


def overlap_in_cell(anchors, boxes, stride):
    """IoU of the shapes where a box's centre is in the anchor's cell, else 0: (A, 4), (..., G, 4) -> (..., A, G).

    The cell is `stride` pixels wide, a number or (A,), with the anchor in its middle. YOLO v3 learns a box at the
    anchor that has most of this, on any of its maps: `match_low_quality` with infinite thresholds. Redmon & Farhadi
    2018, arXiv:1804.02767, section 2.1.
    """
    origin, unit = ops.split(to_cxcywh(anchors)[:, None], 2, axis=-1)
    centre, sides = ops.split(to_cxcywh(boxes)[..., None, :, :], 2, axis=-1)
    place = ops.subtract(centre, origin) / ops.cast(stride, "float32")[..., None, None]
    within = ops.all((place >= -0.5) & (place < 0.5), axis=-1)
    shapes = [ops.concatenate([-x, x], axis=-1) for x in (unit, sides)]
    return ops.where(within, iou(*shapes), 0.0)


def _known(overlap, valid):
    """The overlaps, with 0 for boxes that aren't there: (..., A, G), bool (..., G) -> (..., A, G)."""
    return ops.where(valid[..., None, :], ops.stop_gradient(ops.cast(overlap, "float32")), 0.0)


def _best_box(overlap, valid, low, high):
    """The largest overlap of each anchor and the number of its box: (..., A, G) -> (..., A), int32 (..., A)."""
    if not 0 < low <= high:
        raise ValueError(f"thresholds must be 0 < low <= high; got low {low} and high {high}")
    overlap = _known(overlap, valid)
    return ops.max(overlap, axis=-1), ops.cast(ops.argmax(overlap, axis=-1), "int32")


def match_threshold(overlap, valid, low, high):
    """Each anchor's best box if they overlap enough: IoU (..., A, G), bool (..., G) -> int32 (..., A).

    From `high` on it is matched, below `low` it is background, between them it is ignored. Ren et al. 2015,
    arXiv:1506.01497, section 3.1.2. Raises ValueError unless 0 < low <= high.
    """
    best, number = _best_box(overlap, valid, low, high)
    return ops.where(best >= high, number, ops.where(best < low, BACKGROUND, IGNORED))


def match_proposals(overlap, valid, low, high):
    """Each region's best box if they overlap enough: IoU (..., A, G), bool (..., G) -> int32 (..., A).

    From `high` on it is matched, from `low` on it is background, and below, where it is easy, it is ignored. Girshick
    2015, arXiv:1504.08083, section 2.3: 0.1 and 0.5. Raises ValueError unless 0 < low <= high.
    """
    best, number = _best_box(overlap, valid, low, high)
    return ops.where(best >= high, number, ops.where(best < low, IGNORED, BACKGROUND))


def match_low_quality(overlap, valid, low, high):
    """As `match_threshold`, and an anchor that no other surpasses on some box is matched too, to its own best box.

    IoU (..., A, G), bool (..., G) -> int32 (..., A). Ren et al. 2015, arXiv:1506.01497, section 3.1.2, as torchvision
    reads it: all anchors with a box's largest overlap count, and the box they then learn is the one that they overlap
    most. Unlike there, a box that no anchor touches matches none, where all would share its largest overlap of 0.
    """
    shared = _known(overlap, valid)
    highest = ops.max(shared, axis=-2, keepdims=True)
    unsurpassed = ops.any((shared >= highest) & (highest > 0), axis=-1)
    number = ops.cast(ops.argmax(shared, axis=-1), "int32")
    return ops.where(unsurpassed, number, match_threshold(overlap, valid, low, high))


def _best_pair(step, chosen, left):
    """Settles the pair with the largest overlap that is left, and strikes out its anchor and its box."""
    anchors, boxes = ops.shape(left)[-2:]
    best = ops.max(left, axis=-1)
    anchor = ops.one_hot(ops.argmax(best, axis=-1), anchors, dtype="bool") & (best > 0)
    row = ops.max(ops.where(anchor[..., None], left, 0.0), axis=-2)
    number = ops.cast(ops.argmax(row, axis=-1), "int32")[..., None]
    box = ops.one_hot(number[..., 0], boxes, dtype="bool") & (ops.max(row, axis=-1, keepdims=True) > 0)
    taken = anchor[..., None] | box[..., None, :]
    return step + 1, ops.where(anchor, number, chosen), ops.where(taken, 0.0, left)


@keras.saving.register_keras_serializable("cvapps")
class OneToOne(keras.Operation):
    """Each box's own anchor in `match_bipartite`, as one node of a functional model: a loop alone can't be saved."""

    def call(self, overlap, valid):
        """IoU (..., A, G), bool (..., G) -> int32 (..., A)."""
        left = _known(overlap, valid)
        count = ops.max(ops.sum(ops.cast(valid, "int32"), axis=-1))
        start = ops.zeros_like(count), ops.full_like(left[..., 0], BACKGROUND, dtype="int32"), left
        return ops.while_loop(lambda step, *_: step < count, _best_pair, start)[1]


def match_bipartite(overlap, valid, threshold):
    """Every box its own anchor, and the other anchors by threshold: IoU (..., A, G), bool (..., G) -> int32 (..., A).

    Liu et al. 2015, arXiv:1512.02325, section 2.2, as the authors' code does it: the pair with the largest overlap
    first, then the largest among the anchors and boxes that remain; so of two boxes with the same best anchor both get
    one. A box that no anchor touches gets none. torchvision lets the later box take the anchor and the other lose it.
    """
    chosen = OneToOne()(overlap, valid)
    return ops.where(chosen >= 0, chosen, match_threshold(overlap, valid, threshold, threshold))


def match_points(points, boxes, valid, lowest, highest, radius):
    """Each point the smallest of the boxes it may learn: (A, 2), (..., G, 4), bool (..., G) -> int32 (..., A).

    A point learns a box that it lies in, less than `radius` pixels from the centre along x and y, when its distance to
    the farthest side is `lowest` to `highest` pixels; each of these is a number or (A,) by the point's level. Tian et
    al. 2019, arXiv:1904.01355, sections 3.1 and 3.2; the radius is that of the authors' later code, 1.5 strides
    (infinite: as in the paper).
    """
    points, boxes = ops.cast(points, "float32"), ops.cast(boxes, "float32")[..., None, :, :]
    lowest, highest, radius = (ops.cast(x, "float32")[..., None] for x in (lowest, highest, radius))
    sides = encode_sides(boxes, points[:, None], 1)
    farthest = ops.max(sides, axis=-1)
    off = ops.max(ops.abs(ops.subtract(points[:, None], (boxes[..., :2] + boxes[..., 2:]) / 2)), axis=-1)
    within = (ops.min(sides, axis=-1) > 0) & (off < radius) & (farthest >= lowest) & (farthest <= highest)
    possible = within & valid[..., None, :]
    smallest = ops.argmin(ops.where(possible, area(boxes), float("inf")), axis=-1)
    return ops.where(ops.any(possible, axis=-1), ops.cast(smallest, "int32"), BACKGROUND)


def take_matched(values, matched):
    """What belongs to each anchor's box: (..., G, C), int32 (..., A) -> (..., A, C). Unmatched ones get the first."""
    return ops.take_along_axis(values, ops.maximum(matched, 0)[..., None], axis=-2)
