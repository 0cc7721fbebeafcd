"""Average precision of boxes as PASCAL VOC's devkit counts it.

Everingham et al. 2010, "The PASCAL Visual Object Classes (VOC) Challenge", section 4.2, and the devkit's VOCevaldet.m.
Detections take their turn from the highest score down. Each belongs to the object of its class that it overlaps most:
it is right where the overlap is enough and the object still free, wrong where either is not, and counts for nothing
where that object is difficult. (COCO lets a detection have the next best object; VOC does not.)

The devkit's pixels are numbered from 1 and a box's last pixel is part of it; its x1 y1 x2 y2 are x1-1 y1-1 x2 y2 here,
which gives every overlap the devkit's value. A recall of exactly three tenths reaches the 11-point rule's fourth point
here; there the point is 3 * 0.1, which in floating point is more.
"""

from collections.abc import Callable, Sequence

import numpy as np

from cvapps.metrics.detection import Curve, known
from cvapps.metrics.instances import Detections, Objects
from cvapps.metrics.proposals import box_iou


def eleven_points(recall, precision) -> float:
    """The mean of the best precision at or beyond recalls of 0, 0.1, ... 1 (VOC 2007): (D,), (D,) -> [0, 1]."""
    recall, precision = np.asarray(recall, "float64"), np.asarray(precision, "float64")
    return float(np.mean([precision[recall >= point].max(initial=0) for point in np.arange(11) / 10]))


def all_points(recall, precision) -> float:
    """The area under the best precision at or beyond each recall (VOC 2010 and later): (D,), (D,) -> [0, 1].

    `recall` must rise, as it does where detections come from the highest score down.
    """
    recall, precision = np.asarray(recall, "float64"), np.asarray(precision, "float64")
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * best))


class VocAP:
    """AP of each class over all pictures so far, at one overlap."""

    def __init__(self, class_names: Sequence[str], overlap: float = 0.5):
        self.class_names = tuple(class_names)
        self.overlap = overlap
        self._objects = np.zeros(len(self.class_names), int)
        self._scores: list[list[float]] = [[] for _ in self.class_names]
        self._right: list[list[bool]] = [[] for _ in self.class_names]

    def update(self, found: Detections, truth: Objects) -> None:
        """A picture. Raises ValueError for a class without a name."""
        for given in (found, truth):
            known(given, self.class_names)
        self._objects += np.bincount(truth.classes[~truth.difficult], minlength=len(self.class_names))
        overlaps = box_iou(found.boxes, truth.boxes)
        overlaps[found.classes[:, None] != truth.classes] = -1
        enough = overlaps.max(axis=1, initial=-1) >= self.overlap
        taken = np.zeros(len(truth.boxes), bool)
        for i in np.argsort(-found.scores, kind="stable"):
            best = overlaps[i].argmax() if enough[i] else None
            if best is not None and truth.difficult[best]:
                continue
            self._scores[found.classes[i]].append(float(found.scores[i]))
            self._right[found.classes[i]].append(best is not None and not taken[best])
            if best is not None:
                taken[best] = True

    def curves(self) -> dict[str, Curve]:
        """{class: recall and precision after each detection that counts}, of the classes that have objects."""
        curves = {}
        for name, objects, scores, right in zip(
            self.class_names, self._objects, self._scores, self._right, strict=True
        ):
            if objects:
                order = np.argsort(-np.array(scores), kind="stable")
                hits = np.cumsum(np.array(right, bool)[order])
                ranks = np.arange(1, len(hits) + 1)
                curves[name] = Curve(hits / objects, hits / ranks, np.array(scores)[order])
        return curves

    def by_class(self, average: Callable[..., float] = all_points) -> dict[str, float]:
        """{class: AP}, NaN for one that has no object but difficult ones; `average` is this file's, or another rule."""
        curves = self.curves()
        return {
            name: average(curves[name].recall, curves[name].precision) if name in curves else float("nan")
            for name in self.class_names
        }

    def result(self) -> dict[str, float]:
        """{"mAP": all points, "mAP07": eleven points}: means over the classes that have objects; NaN without one."""
        means = {}
        for name, average in (("mAP", all_points), ("mAP07", eleven_points)):
            values = np.array(list(self.by_class(average).values()))
            means[name] = float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
        return means
