"""What each anchor has to learn, and the losses for that: (truth, raw numbers) -> (N,), whose mean is a step's loss.

`truth` is a `one_stage.Truth`, the raw numbers are those of its `OneStageLoss`.
"""

from keras import ops

from cvapps.ops import coding
from cvapps.ops.boxes import iou
from cvapps.ops.matching import IGNORED, match_low_quality

ALPHA, GAMMA = 0.25, 2.0  # Lin et al. 2017, arXiv:1708.02002, section 5.1


def best_overlap(anchors, boxes, valid, decoded):
    """RetinaNet's: the box overlapped most, from IoU 0.5 on; under 0.4 background: -> int32 (N, A).

    And the anchors that overlap a box as much as any does, as in torchvision. Lin et al. 2017, arXiv:1708.02002,
    section 4.
    """
    return match_low_quality(iou(anchors[:, None, :4], boxes[:, None]), valid, 0.4, 0.5)


def encode_deltas(boxes, anchors):
    """Shifts and growths from anchors to boxes: (..., 4), (..., 5) -> (..., 4)."""
    return coding.encode_deltas(boxes, anchors[..., :4], coding.RPN)


def binary_crossentropy(targets, logits):
    """-log of the probability of 0, 1 or a share between, from logits: (...), (...) -> (...)."""
    return ops.softplus(logits) - targets * logits


def by_matches(losses, truth):
    """The sum over a picture's anchors by its matches, or by 1 if there are none: (N, A) -> (N,)."""
    matches = ops.sum(ops.cast(truth.matched >= 0, "float32"), axis=-1)
    return ops.sum(losses, axis=-1) / ops.maximum(matches, 1)


def where_matched(losses, truth):
    """The losses of matched anchors, 0 elsewhere: (N, A) -> (N, A)."""
    return ops.where(truth.matched >= 0, losses, 0.0)


def class_targets(truth, raw):
    """1 at each anchor's class, of background nowhere, and whether the anchor counts: -> (N, A, C), bool (N, A)."""
    return ops.one_hot(truth.classes, raw["classes"].shape[-1], dtype="float32"), truth.matched != IGNORED


def focal_crossentropy(targets, logits, alpha=ALPHA, gamma=GAMMA):
    """Cross entropy of each class by itself, less where it is easy: (...), (...) -> (...).

    Lin et al. 2017, arXiv:1708.02002, equation 5. From logits, so that a sure mistake still has a derivative, which
    Keras' own loses where it cuts off probabilities.
    """
    p = ops.sigmoid(logits)
    missed = targets * (1 - p) + (1 - targets) * p
    share = targets * alpha + (1 - targets) * (1 - alpha)
    return share * missed**gamma * binary_crossentropy(targets, logits)


def focal(truth, raw):
    """RetinaNet's class loss, by a picture's matches (section 4.1): -> (N,)."""
    targets, counts = class_targets(truth, raw)
    losses = ops.sum(focal_crossentropy(targets, raw["classes"]), axis=-1)
    return by_matches(ops.where(counts, losses, 0.0), truth)


def box_l1(truth, raw):
    """The distance of codes, by a picture's matches: -> (N,). The paper's is smooth; this is torchvision's."""
    losses = ops.sum(ops.abs(raw["boxes"] - truth.codes), axis=-1)
    return by_matches(where_matched(losses, truth), truth)
