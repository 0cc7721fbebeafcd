"""Boxes as the numbers that a network predicts, relative to anchors, cells or points, and back. All float32.

Shapes broadcast as in `boxes`. Encoding is finite whatever the boxes: the sides of an empty one count as a thousandth
of a pixel, so what is padded may be encoded and given no weight afterwards.
"""

import math

from keras import ops

from cvapps.ops.boxes import from_cxcywh, plus, to_cxcywh

RPN = (1.0, 1.0, 1.0, 1.0)
HEAD = (10.0, 10.0, 5.0, 5.0)  # of a region's head; SSD's variances 0.1 0.1 0.2 0.2 are their inverse
LIMIT = math.log(1000 / 16)  # sizes grow 62.5-fold at most, where exp could overflow
SMALLEST = 1e-3  # pixels
NARROWEST = 1e-4  # of a cell: the logistic function never reaches its ends


def _sides(boxes):
    """Centres, and sides that are never 0: (..., 4) -> (..., 2), (..., 2)."""
    centre, sides = ops.split(to_cxcywh(boxes), 2, axis=-1)
    return centre, ops.maximum(sides, SMALLEST)


def encode_deltas(boxes, anchors, weights):
    """The way from anchors to boxes: (..., 4), (..., 4) -> (..., 4) dx dy dw dh, times four weights.

    The centre moves by shares of the anchor's sides, which grow by exp. Girshick et al. 2013, arXiv:1311.2524,
    appendix C; equal to torchvision's BoxCoder.
    """
    centre, sides = _sides(boxes)
    origin, unit = _sides(anchors)
    deltas = ops.concatenate(
        [ops.divide(ops.subtract(centre, origin), unit), ops.log(ops.divide(sides, unit))], axis=-1
    )
    return deltas * ops.cast(weights, "float32")


def decode_deltas(deltas, anchors, weights):
    """Boxes of dx dy dw dh times four weights: (..., 4), (..., 4) -> (..., 4). Undoes `encode_deltas`."""
    shift, growth = ops.split(ops.cast(deltas, "float32") / ops.cast(weights, "float32"), 2, axis=-1)
    origin, unit = ops.split(to_cxcywh(anchors), 2, axis=-1)
    growth = ops.minimum(growth, LIMIT)
    centre, sides = plus(origin, ops.multiply(shift, unit)), ops.multiply(unit, ops.exp(growth))
    return from_cxcywh(ops.concatenate([centre, sides], axis=-1))


def encode_cell(boxes, points, stride, size):
    """YOLO's numbers of boxes, in the cells around the points: (..., 4), (..., 2) -> (..., 4).

    x and y of the centre from the cell's upper left corner in strides, and the square roots of width and height in
    those of the picture, whose `size` is (height, width) in pixels. Redmon et al. 2015, arXiv:1506.02640, sections 2
    and 2.2.
    """
    centre, sides = _sides(boxes)
    place = ops.subtract(centre, ops.cast(points, "float32")) / stride + 0.5
    roots = ops.sqrt(sides / ops.flip(ops.cast(size, "float32"), axis=-1))
    return ops.concatenate([place, plus(roots, ops.zeros_like(place))], axis=-1)  # the points may have more axes


def decode_cell(numbers, points, stride, size):
    """Boxes of YOLO's numbers: (..., 4), (..., 2) -> (..., 4). Undoes `encode_cell`."""
    place, root = ops.split(ops.cast(numbers, "float32"), 2, axis=-1)
    centre = plus(ops.cast(points, "float32"), (place - 0.5) * stride)
    sides = ops.square(root) * ops.flip(ops.cast(size, "float32"), axis=-1)
    return from_cxcywh(ops.concatenate([centre, plus(sides, ops.zeros_like(centre))], axis=-1))


def encode_logistic(boxes, anchors, stride):
    """YOLO v3's numbers of boxes, in the cells in whose middle the anchors are: (..., 4), (..., 4) -> (..., 4).

    Logits of where the centre is in the cell, and logarithms of the growth. A centre outside of the cell counts as on
    its border. Redmon & Farhadi 2018, arXiv:1804.02767, section 2.1.
    """
    centre, sides = _sides(boxes)
    origin, unit = _sides(anchors)
    place = ops.clip(ops.subtract(centre, origin) / stride + 0.5, NARROWEST, 1 - NARROWEST)
    return ops.concatenate([ops.log(place / (1 - place)), ops.log(ops.divide(sides, unit))], axis=-1)


def decode_logistic(numbers, anchors, stride):
    """Boxes of YOLO v3's numbers: (..., 4), (..., 4) -> (..., 4). Undoes `encode_logistic`."""
    place, growth = ops.split(ops.cast(numbers, "float32"), 2, axis=-1)
    origin, unit = ops.split(to_cxcywh(anchors), 2, axis=-1)
    centre = plus(origin, (ops.sigmoid(place) - 0.5) * stride)
    sides = ops.multiply(unit, ops.exp(ops.minimum(growth, LIMIT)))
    return from_cxcywh(ops.concatenate([centre, sides], axis=-1))


def encode_sides(boxes, points, stride):
    """FCOS's distances to the left, top, right and bottom side, in strides: (..., 4), (..., 2) -> (..., 4).

    A point outside has negative ones. `stride` is a number, or (...) by the point's level. Tian et al. 2019,
    arXiv:1904.01355, equation 1; in strides as the authors' later code has it.
    """
    boxes, points = ops.cast(boxes, "float32"), ops.cast(points, "float32")
    sides = [ops.subtract(points, boxes[..., :2]), ops.subtract(boxes[..., 2:], points)]
    return ops.concatenate(sides, axis=-1) / ops.cast(stride, "float32")[..., None]


def decode_sides(sides, points, stride):
    """Boxes of distances in strides: (..., 4), (..., 2) -> (..., 4). Undoes `encode_sides`."""
    sides = ops.cast(sides, "float32") * ops.cast(stride, "float32")[..., None]
    points = ops.cast(points, "float32")
    return ops.concatenate([ops.subtract(points, sides[..., :2]), plus(points, sides[..., 2:])], axis=-1)


def centreness(sides):
    """1 in the middle of a box, 0 on its border and outside: distances to its sides (..., 4) -> (...).

    Tian et al. 2019, arXiv:1904.01355, equation 3.
    """
    low, high = ops.split(ops.maximum(ops.cast(sides, "float32"), 0), 2, axis=-1)
    shares = ops.divide_no_nan(ops.minimum(low, high), ops.maximum(low, high))
    return ops.sqrt(shares[..., 0] * shares[..., 1])
