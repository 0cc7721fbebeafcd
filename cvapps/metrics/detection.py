"""COCO's scores of boxes and masks, by COCO's own code, from plain arrays and without its printing.

Lin et al. 2014, arXiv:1405.0312, and cocodataset.org, "Detection Evaluation": precision is read at 101 recalls and
averaged over ten overlaps from 0.5 to 0.95 and over the classes that have objects. Crowds are matched by how much of a
detection lies in them, and count neither for it nor against it. pycocotools computes all this (cocoeval.py); its -1
where there is no object to find is NaN here.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cvapps.metrics.instances import Detections, Objects, areas, encoded

KINDS = {"boxes": "bbox", "masks": "segm"}
OVERLAPS = np.linspace(0.5, 0.95, 10)
SIZES = ("all", "small", "medium", "large")  # to 32 x 32 square pixels, to 96 x 96, and above
TOPS = (1, 10, 100)


class Curve(NamedTuple):
    """Precision against recall, both from 0 to 1, and the scores that detections must have there: (R,) each."""

    recall: np.ndarray
    precision: np.ndarray
    scores: np.ndarray


def known(given: Detections | Objects, class_names: Sequence[str]) -> None:
    """Raises ValueError for a class without a name."""
    if given.classes.size and given.classes.max() >= len(class_names):
        raise ValueError(f"expected classes below {len(class_names)}, not {given.classes.max()}")


class CocoAP:
    """AP and AR over all pictures so far, of their boxes, and of their masks where they have them.

    Raises ImportError where pycocotools is missing.
    """

    def __init__(self, class_names: Sequence[str]):
        _coco()
        self.class_names = tuple(class_names)
        self._pictures: list[tuple[Detections, Objects]] = []
        self._evaluated: dict[str, dict[str, np.ndarray]] = {}

    def update(self, found: Detections, truth: Objects) -> None:
        """A picture. Raises ValueError for a class without a name, and for masks of different sizes."""
        masks = []
        for given in (found, truth):
            known(given, self.class_names)
            masks.append(None if given.masks is None else encoded(given.masks))
        sizes = {tuple(mask["size"]) for some in masks if some for mask in some}
        if len(sizes) > 1:
            raise ValueError(f"expected masks of one size in a picture, not {sorted(sizes)}")
        self._pictures.append((replace(found, masks=masks[0]), replace(truth, masks=masks[1])))
        self._evaluated.clear()

    def result(self, kind: str = "boxes") -> dict[str, float]:
        """COCO's twelve numbers for "boxes" or "masks", in [0, 1]; NaN where there is no object that they are about.

        AP, AP50 and AP75 (at one overlap), APs, APm, APl (by the objects' areas), AR@1, AR@10, AR@100 (of so many
        detections a picture), ARs, ARm, ARl. Raises ValueError for "masks" where boxes have none.
        """
        precision, recall = (self._evaluation(kind)[name] for name in ("precision", "recall"))
        scores = {"AP": precision[..., 0, -1]}  # (overlaps, recalls, classes)
        scores |= {f"AP{percent}": precision[at : at + 1, ..., 0, -1] for at, percent in ((0, 50), (5, 75))}
        scores |= {f"AP{size[0]}": precision[..., at, -1] for at, size in enumerate(SIZES) if at}
        scores |= {f"AR@{top}": recall[..., 0, at] for at, top in enumerate(TOPS)}  # (overlaps, classes)
        scores |= {f"AR{size[0]}": recall[..., at, -1] for at, size in enumerate(SIZES) if at}
        return {name: _mean(values) for name, values in scores.items()}

    def by_class(self, kind: str = "boxes") -> dict[str, float]:
        """{class: AP}, NaN for one without an object."""
        precision = self._evaluation(kind)["precision"][..., 0, -1]
        return {name: _mean(precision[:, :, k]) for k, name in enumerate(self.class_names)}

    def curves(self, kind: str = "boxes", overlap: float = 0.5) -> dict[str, Curve]:
        """{class: precision at 101 recalls}, of the classes that have objects.

        Raises ValueError for an overlap that isn't one of the ten.
        """
        at = np.flatnonzero(np.isclose(OVERLAPS, overlap))
        if not len(at):
            raise ValueError(f"expected an overlap of {OVERLAPS.round(2).tolist()}, not {overlap}")
        values = self._evaluation(kind)
        precision, scores = (values[name][at[0], :, :, 0, -1] for name in ("precision", "scores"))
        recall = np.linspace(0, 1, len(precision))
        present = [(k, name) for k, name in enumerate(self.class_names) if precision[0, k] >= 0]
        return {name: Curve(recall, precision[:, k], scores[:, k]) for k, name in present}

    def _evaluation(self, kind: str) -> dict[str, np.ndarray]:
        """COCOeval's arrays: precision and scores (overlaps, recalls, classes, sizes, tops), recall without recalls."""
        if kind not in KINDS:
            raise ValueError(f"expected a kind of {list(KINDS)}, not {kind!r}")
        if kind not in self._evaluated:
            COCO, COCOeval = _coco()
            categories = [dict(id=k) for k, _ in enumerate(self.class_names, start=1)]
            images = [dict(id=n, height=0, width=0) for n, _ in enumerate(self._pictures, start=1)]  # masks know sizes
            tables = []
            for column in (0, 1):
                table = COCO()
                rows = [row for n, both in enumerate(self._pictures, start=1) for row in _rows(both[column], n, kind)]
                rows = [dict(id=i, **row) for i, row in enumerate(rows, start=1)]  # there 0 would mean unmatched
                table.dataset = dict(images=images, annotations=rows, categories=categories)
                tables.append(table)
            with contextlib.redirect_stdout(io.StringIO()):
                for table in tables:
                    table.createIndex()
                evaluation = COCOeval(tables[1], tables[0], KINDS[kind])
                evaluation.params.maxDets = list(TOPS)
                evaluation.evaluate()
                evaluation.accumulate()
            self._evaluated[kind] = evaluation.eval
        return self._evaluated[kind]


def _rows(given: Detections | Objects, number: int, kind: str) -> list[dict[str, Any]]:
    """The annotations of picture `number` as COCO's files have them, but for their ids.

    Small or large is a true object by its annotated area, and a detection by what is measured of it, box or mask.
    """
    if kind == "masks" and given.masks is None and len(given.boxes):
        raise ValueError("expected a mask for every box, and there are boxes without")
    more: list[dict[str, Any]]
    if isinstance(given, Objects):
        sizes = areas(given.boxes, given.masks) if given.areas is None else given.areas
        more = [dict(iscrowd=int(crowd)) for crowd in given.crowd]
    else:
        sizes = areas(given.boxes, given.masks if kind == "masks" else None)
        more = [dict(iscrowd=0, score=float(score)) for score in given.scores]
    masks = [None] * len(given.boxes) if given.masks is None else given.masks
    return [
        dict(image_id=number, category_id=int(k) + 1, bbox=[x1, y1, x2 - x1, y2 - y1], area=size, segmentation=mask)
        | extra
        for (x1, y1, x2, y2), k, size, mask, extra in zip(given.boxes, given.classes, sizes, masks, more, strict=True)
    ]


def _mean(values: np.ndarray) -> float:
    """Of what has objects."""
    values = values[values > -1]
    return float(values.mean()) if values.size else float("nan")


def _coco() -> tuple[Any, Any]:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise ImportError("COCO's scores are pycocotools': pip install 'cvapps[metrics]'") from error
    return COCO, COCOeval
