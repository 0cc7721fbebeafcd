"""The regions of R-CNN's pictures, and which of them are of an object.

Girshick et al. 2013, arXiv:1311.2524, section 2.3 and appendix B: each step of the training draws its own line through
the same overlaps (`rcnn_settings.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cvapps.metrics.proposals import box_iou


@dataclass(frozen=True)
class Example:
    """A picture to learn from: RGB (H, W, 3) in [0, 255], true boxes (G, 4), classes (G,) from 0, proposals (P, 4).

    Rows of class -1 are none.
    """

    image: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    proposals: np.ndarray


def finite_boxes(boxes, what: str) -> np.ndarray:
    """Boxes as float32 (P, 4). Raises ValueError for another shape, for NaN, and for a box without area."""
    boxes = np.asarray(boxes, "float32")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"expected {what} (P, 4), not {boxes.shape}")
    wrong = ~((boxes[:, 2:] > boxes[:, :2]).all(1) & np.isfinite(boxes).all(1))
    if wrong.any():
        number = int(np.argmax(wrong))
        raise ValueError(f"expected {what} x1 y1 x2 y2 with an area; number {number} is {boxes[number].tolist()}")
    return boxes


@dataclass(frozen=True)
class Labelled:
    """The regions of a picture, its true boxes first: how much each overlaps which.

    boxes (P, 4); truth: the first so many are true boxes; overlaps (P, K) the largest by class; matched (P,) the number
    of the true box that a region overlaps most, -1 without any; classes (truth,).
    """

    boxes: np.ndarray
    truth: int
    overlaps: np.ndarray
    matched: np.ndarray
    classes: np.ndarray

    @property
    def largest(self) -> np.ndarray:
        """Each region's largest overlap: (P,)."""
        return self.overlaps.max(1)

    @property
    def kinds(self) -> np.ndarray:
        """The class of each region's matched box, -1 without any: (P,)."""
        return np.where(self.matched >= 0, np.append(self.classes, -1)[self.matched], -1)


def labelled(example: Example, classes: int, number: int) -> Labelled:
    """The regions of the picture of that number. Raises ValueError, naming it, for truth that makes no sense."""
    kinds = np.asarray(example.classes)
    boxes = np.asarray(example.boxes, "float32").reshape(-1, 4)
    if kinds.shape != boxes.shape[:1] or (kinds.size and not (kinds.min() >= -1 and kinds.max() < classes)):
        raise ValueError(
            f"picture {number}: expected a class from 0 to {classes - 1}, or -1, for each of {len(boxes)} boxes, "
            f"not {kinds.tolist()}"
        )
    boxes, kinds = finite_boxes(boxes[kinds >= 0], f"picture {number}'s true boxes"), kinds[kinds >= 0].astype(int)
    proposals = finite_boxes(example.proposals, f"picture {number}'s proposals")
    if not len(proposals):
        raise ValueError(f"picture {number} has no proposals")
    regions = np.concatenate([boxes, proposals])
    iou = box_iou(regions, boxes)
    overlaps = np.zeros((len(regions), classes))
    for column, kind in zip(iou.T, kinds, strict=True):
        overlaps[:, kind] = np.maximum(overlaps[:, kind], column)
    matched = iou.argmax(1) if len(boxes) else np.full(len(regions), -1)
    return Labelled(regions, len(boxes), overlaps, np.where(iou.max(1, initial=0) > 0, matched, -1), kinds)


def all_labelled(examples: Sequence[Example], classes: int) -> list[Labelled]:
    """The regions of every picture. Raises ValueError, naming them, for classes without a true box."""
    found = [labelled(examples[i], classes, i) for i in range(len(examples))]
    counts = sum((np.bincount(x.classes, minlength=classes) for x in found), np.zeros(classes, int))
    if not found or not counts.all():
        missing = np.flatnonzero(counts == 0).tolist()
        raise ValueError(f"expected a true box of each class in {len(found)} pictures; classes {missing} have none")
    return found
