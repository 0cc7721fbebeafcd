"""What YOLO's anchors have to learn, and the losses for that: (truth, raw numbers) -> (N,), a sum over the picture.

v1: Redmon et al. 2015, arXiv:1506.02640, section 2.2, equation 3, all of whose terms are squares. v3: Redmon & Farhadi
2018, arXiv:1804.02767, sections 2.1 and 2.2. Details are those of src/detection_layer.c and src/yolo_layer.c of
pjreddie/darknet, the authors' own code. `truth` and the raw numbers are as in `dense_losses`.
"""

import numpy as np
from keras import ops

from cvapps.detection.dense_losses import binary_crossentropy, where_matched
from cvapps.ops import coding
from cvapps.ops.boxes import iou, to_cxcywh
from cvapps.ops.matching import BACKGROUND, IGNORED, match_low_quality, overlap_in_cell, take_matched

COORDINATES, NO_OBJECT = 5.0, 0.5  # the weights of equation 3, lambda_coord and lambda_noobj
IGNORE_ABOVE = 0.5  # IoU of an anchor that isn't the best: section 2.1 of v3; cfg/yolov3.cfg has 0.7, of predictions


def by_cell(values, places):
    """The boxes of each cell together: (N, a, ...) -> (N, c, B, ...)."""
    shape = ops.shape(values)
    return ops.reshape(values, (shape[0], places, shape[1] // places, *shape[2:]))


def responsible(anchors, boxes, valid, decoded):
    """Of a cell's predictions the one that overlaps its box most: -> int32 (N, A).

    A cell's box is the first that has its centre there. Where no prediction touches it, the nearest by the squares of
    what centre and sides differ is responsible, as in the authors' code.
    """
    inside = (overlap_in_cell(anchors[:, :4], boxes, anchors[:, 4]) > 0) & valid[:, None]
    number = ops.cast(ops.argmax(inside, axis=-1), "int32")
    there = ops.any(inside, axis=-1)
    own = take_matched(boxes, number)
    overlap = iou(decoded, own)
    picture = ops.tile(to_cxcywh(anchors[:, :4])[:, 2:], (1, 2))
    far = ops.mean(ops.square(ops.subtract(to_cxcywh(decoded), to_cxcywh(own)) / picture), axis=-1)
    cell = ops.all(ops.equal(anchors[:, None], anchors), axis=-1)
    touched = ops.any(cell & (overlap[:, None] > 0), axis=-1)
    good = ops.where(touched, overlap, -far)
    ours, theirs, earlier = good[..., None], good[:, None], np.tri(*cell.shape, -1, bool)
    beaten = ops.any(cell & ((theirs > ours) | (ops.equal(theirs, ours) & earlier)), axis=-1)
    return ops.where(there & ops.logical_not(beaten), number, BACKGROUND)


def encode_grid(boxes, anchors):
    """Places in cells, and roots of shares of the picture's sides: (..., 4), (..., 5) -> (..., 4)."""
    centre, sides = ops.split(to_cxcywh(anchors[..., :4]), 2, axis=-1)
    return coding.encode_cell(boxes, centre, anchors[..., 4:], ops.flip(sides, axis=-1))


def coordinate_squares(truth, raw):
    """Of places and of roots of sides, of the responsible predictions: -> (N,)."""
    squares = ops.sum(ops.square(raw["boxes"] - truth.codes), axis=-1)
    return COORDINATES * ops.sum(where_matched(squares, truth), axis=-1)


def confidence_squares(truth, raw):
    """From the IoU with the box where a prediction is responsible for one, else from 0 with less weight: -> (N,)."""
    there = truth.matched >= 0
    target = ops.where(there, ops.stop_gradient(iou(raw["decoded"], truth.boxes)), 0.0)
    squares = ops.square(raw["quality"] - target)
    return ops.sum(ops.where(there, squares, NO_OBJECT * squares), axis=-1)


def cell_class_squares(truth, raw):
    """Of all classes from 1 or 0, in the cells that have a box: -> (N,)."""
    places, num_classes = raw["classes"].shape[1:]
    label = ops.max(by_cell(truth.classes, places), axis=-1)
    squares = ops.square(raw["classes"] - ops.one_hot(label, num_classes, dtype="float32"))
    return ops.sum(ops.where(label >= 0, ops.sum(squares, axis=-1), 0.0), axis=-1)


def best_shape(anchors, boxes, valid, decoded):
    """Each box the anchor of its cell, on any level, that is most like it; others that overlap it are left out.

    -> int32 (N, A).
    """
    fit = overlap_in_cell(anchors[:, :4], boxes, anchors[:, 4])
    matched = match_low_quality(fit, valid, float("inf"), float("inf"))
    overlap = ops.where(valid[:, None], iou(anchors[:, None, :4], boxes[:, None]), 0.0)
    similar = ops.max(overlap, axis=-1) > IGNORE_ABOVE
    return ops.where((matched == BACKGROUND) & similar, IGNORED, matched)


def encode_logistic(boxes, anchors):
    """Logits of places in cells, and logarithms of growths: (..., 4), (..., 5) -> (..., 4)."""
    return coding.encode_logistic(boxes, anchors[..., :4], anchors[..., 4:])


def logistic_boxes(truth, raw):
    """Cross entropy of the place in the cell, half the squares of the growths, of matched anchors: -> (N,).

    So the derivatives are what the paper says they are, truth less prediction: as there of a place after the logistic
    function, for which the authors' code then leaves out the function's own derivative.
    """
    (place, growth), (true_place, true_growth) = (ops.split(x, 2, axis=-1) for x in (raw["boxes"], truth.codes))
    losses = binary_crossentropy(ops.sigmoid(true_place), place) + ops.square(growth - true_growth) / 2
    return ops.sum(where_matched(ops.sum(losses, axis=-1), truth), axis=-1)


def objectness(truth, raw):
    """Cross entropy of whether there is a box, of all anchors that aren't left out: -> (N,)."""
    losses = binary_crossentropy(ops.cast(truth.matched >= 0, "float32"), raw["quality"])
    return ops.sum(ops.where(truth.matched == IGNORED, 0.0, losses), axis=-1)


def logistic_classes(truth, raw):
    """Cross entropy of each class by itself, of matched anchors: -> (N,)."""
    targets = ops.one_hot(truth.classes, raw["classes"].shape[-1], dtype="float32")
    losses = ops.sum(binary_crossentropy(targets, raw["classes"]), axis=-1)
    return ops.sum(where_matched(losses, truth), axis=-1)
