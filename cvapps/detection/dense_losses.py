"""What each anchor has to learn, and the losses for that: (truth, raw numbers) -> (N,), whose mean is a step's loss.

`truth` is a `one_stage.Truth`, the raw numbers are those of its `OneStageLoss`.
"""

from keras import ops

from cvapps.detection.decode import middles
from cvapps.losses.ghm import GHMC, GHMR
from cvapps.ops import coding
from cvapps.ops.boxes import giou, iou
from cvapps.ops.matching import IGNORED, match_low_quality, match_points

ALPHA, GAMMA = 0.25, 2.0  # Lin et al. 2017, arXiv:1708.02002, section 5.1


def best_overlap(anchors, boxes, valid, decoded):
    """RetinaNet's: the box overlapped most, from IoU 0.5 on; under 0.4 background: -> int32 (N, A).

    And the anchors that overlap a box as much as any does, as in torchvision. Lin et al. 2017, arXiv:1708.02002,
    section 4.
    """
    return match_low_quality(iou(anchors[:, None, :4], boxes[:, None]), valid, 0.4, 0.5)


def in_reach(anchors, boxes, valid, decoded):
    """FCOS's: of the boxes around a point, with it in their middle part and of its level's size, the smallest.

    A level has the boxes whose farthest side is 4 to 8 strides away, the first and the last also all smaller and larger
    ones; the middle part reaches 1.5 strides. Tian et al. 2019, arXiv:1904.01355, section 3.2: -> int32 (N, A).
    """
    stride = anchors[:, 4]
    lowest = ops.where(stride > ops.min(stride), 4 * stride, 0.0)
    highest = ops.where(stride < ops.max(stride), 8 * stride, float("inf"))
    return match_points(middles(anchors), boxes, valid, lowest, highest, 1.5 * stride)


def encode_deltas(boxes, anchors):
    """Shifts and growths from anchors to boxes: (..., 4), (..., 5) -> (..., 4)."""
    return coding.encode_deltas(boxes, anchors[..., :4], coding.RPN)


def encode_sides(boxes, anchors):
    """Distances from the anchors' middles to the sides, in strides: (..., 4), (..., 5) -> (..., 4)."""
    return coding.encode_sides(boxes, middles(anchors), anchors[..., 4])


def binary_crossentropy(targets, logits):
    """-log of the probability of 0, 1 or a share between, from logits: (...), (...) -> (...)."""
    return ops.softplus(logits) - targets * logits


def by_matches(losses, truth):
    """The sum over a picture's anchors by its matches, or by 1 if there are none: (N, A) -> (N,)."""
    matches = ops.sum(ops.cast(truth.matched >= 0, "float32"), axis=-1)
    return ops.sum(losses, axis=-1) / ops.maximum(matches, 1)


def by_all_matches(losses, truth):
    """The sum over a picture's anchors by a picture's mean number of matches in the step, at least 1 in all of them.

    (N, A) -> (N,), whose mean is the sum of all losses by that of all matches.
    """
    matches = ops.maximum(ops.sum(ops.cast(truth.matched >= 0, "float32")), 1)
    return ops.sum(losses, axis=-1) / matches * ops.cast(ops.shape(losses)[0], "float32")


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


def focal_losses(truth, raw):
    """The focal cross entropy of each anchor that counts: -> (N, A)."""
    targets, counts = class_targets(truth, raw)
    return ops.where(counts, ops.sum(focal_crossentropy(targets, raw["classes"]), axis=-1), 0.0)


def focal(truth, raw):
    """RetinaNet's class loss, by a picture's matches (section 4.1): -> (N,)."""
    return by_matches(focal_losses(truth, raw), truth)


def focal_of_step(truth, raw):
    """FCOS's class loss, by the step's matches (equation 2): -> (N,)."""
    return by_all_matches(focal_losses(truth, raw), truth)


def box_l1(truth, raw):
    """The distance of codes, by a picture's matches: -> (N,). The paper's is smooth; this is torchvision's."""
    losses = ops.sum(ops.abs(raw["boxes"] - truth.codes), axis=-1)
    return by_matches(where_matched(losses, truth), truth)


def box_giou(truth, raw):
    """1 - GIoU of the boxes, by the step's matches: -> (N,). FCOS's authors came to it; their paper has -log IoU."""
    return by_all_matches(where_matched(1 - giou(truth.boxes, raw["decoded"]), truth), truth)


def centreness(truth, raw):
    """Cross entropy of the centre-ness of matched points, by the step's matches (section 3.2): -> (N,)."""
    losses = binary_crossentropy(coding.centreness(truth.codes), raw["quality"])
    return by_all_matches(where_matched(losses, truth), truth)


class HarmonizedClasses(GHMC):
    """GHM-C over the anchors that count: -> (N,)."""

    def call(self, truth, raw, training=False):  # type: ignore[override]  # the place's own inputs
        """Truth, raw numbers -> (N,)."""
        targets, counts = class_targets(truth, raw)
        return super().call(targets, raw["classes"], ops.broadcast_to(counts[..., None], ops.shape(targets)), training)


class HarmonizedBoxes(GHMR):
    """GHM-R over the codes of matched anchors: -> (N,)."""

    def call(self, truth, raw, training=False):  # type: ignore[override]  # the place's own inputs
        """Truth, raw numbers -> (N,)."""
        matched = ops.broadcast_to((truth.matched >= 0)[..., None], ops.shape(truth.codes))
        return super().call(truth.codes, raw["boxes"], matched, training)
