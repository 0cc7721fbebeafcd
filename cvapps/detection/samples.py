"""Of the many boxes of a picture those that a step learns from, and what a mean over them is."""

from collections.abc import Callable
from dataclasses import dataclass

from keras import ops

from cvapps.ops import boxes as box_ops
from cvapps.ops.matching import IGNORED
from cvapps.ops.sampling import sample


@dataclass(frozen=True)
class Sampling:
    """`count` boxes of a picture, at most `fraction` of them an object's, as `match` tells by IoU and two thresholds.

    Ren et al. 2015, arXiv:1506.01497, section 3.1.3; Girshick 2015, arXiv:1504.08083, section 2.3.
    """

    count: int
    fraction: float
    match: Callable
    low: float
    high: float

    @property
    def most(self) -> int:
        """How many of them can be an object's: they have the first places."""
        return int(self.count * self.fraction)

    def __call__(self, boxes, exists, truth, valid, seed):
        """Boxes (..., A, 4), bool (..., A), truth (N, G, 4), bool (N, G) -> three of (N, count).

        Numbers along A; for each the number of its true box, BACKGROUND, or IGNORED in an empty place; and bool whether
        the place is filled. What doesn't exist is never drawn, and keeps no other from being a true box's best.
        """
        overlap = box_ops.iou(boxes[..., :, None, :], truth[:, None])
        overlap = ops.where(exists[..., None], overlap, 0.0)
        matched = ops.where(exists, self.match(overlap, valid, self.low, self.high), IGNORED)
        chosen, filled = sample(matched, self.count, self.fraction, seed)
        matched = ops.take_along_axis(matched, chosen, axis=-1)
        return chosen, ops.where(filled, matched, IGNORED), filled


def taken(values, numbers):
    """Rows by their numbers: (N, A, C), int32 (N, S) -> (N, S, C)."""
    return ops.take_along_axis(values, numbers[..., None], axis=1)


def mean_of(losses, counted):
    """Losses summed over the boxes that count, so that the batch's mean of these sums is a mean over boxes.

    (N, S), bool (N, S) -> sums (N,) and the divisor, boxes for each picture; the same divisor for every picture, as
    torchvision has it, so one with few boxes weighs little.
    """
    counted = ops.cast(counted, "float32")
    return ops.sum(losses * counted, axis=-1), ops.mean(ops.sum(counted, axis=-1))
